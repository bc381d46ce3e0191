/**
 * What the page knows, and how old it is: a pure reducer over what arrives from the server's stream. Figures are live only
 * while snapshots arrive; a lost stream, or one that is silent, makes them stale, with the time since when.
 */

import type { Cluster, Happened, Node, Role } from "./cluster.ts";

/** Without a snapshot for this long, what is shown is stale. The server sends one every 2 s. */
export const SILENT_MS = 6500;
/** As many events as the server keeps. */
export const HAPPENED_MAX = 500;
const ANNOUNCED_MAX = 20;

/** Where a node had its place when it was last seen serving. */
export interface Seat {
  readonly role: Role;
  readonly partition: number;
}

/** Something to say aloud to those who do not see the picture; `kind` names its message. */
export interface Announcement {
  readonly id: number;
  readonly kind: "nodeDown" | "nodeServes" | "nodeMaster" | "nodeAppears" | "nodeGone" | "streamLost" | "streamBack";
  readonly node: string;
  readonly partition: number;
}

export interface LinkState {
  /** Whether the stream is open. */
  readonly isOpen: boolean;
  /** Whether it was lost, or could not be opened, since the newest snapshot. */
  readonly hasFailed: boolean;
  readonly cluster: Cluster | undefined;
  /** When the newest snapshot arrived, by the browser's clock: the server's may differ. */
  readonly receivedMs: number | undefined;
  readonly nowMs: number;
  readonly happened: readonly Happened[];
  readonly seats: ReadonlyMap<string, Seat>;
  readonly announcements: readonly Announcement[];
}

export type LinkEvent =
  | { readonly type: "opened"; readonly nowMs: number }
  | { readonly type: "lost"; readonly nowMs: number }
  | { readonly type: "tick"; readonly nowMs: number }
  | { readonly type: "cluster"; readonly nowMs: number; readonly cluster: Cluster }
  | { readonly type: "happened"; readonly nowMs: number; readonly events: readonly Happened[] };

/** Before anything has arrived. */
export function noLink(nowMs: number): LinkState {
  return {
    isOpen: false,
    hasFailed: false,
    cluster: undefined,
    receivedMs: undefined,
    nowMs,
    happened: [],
    seats: new Map(),
    announcements: [],
  };
}

/** The state after an event. While figures are live, the time alone changes nothing that is shown. */
export function step(state: LinkState, event: LinkEvent): LinkState {
  if (event.type === "tick" && isLive({ ...state, nowMs: event.nowMs })) return state;
  return announceLink(state, apply({ ...state, nowMs: event.nowMs }, event));
}

/** Whether the figures are those of now. */
export function isLive({ isOpen, receivedMs, nowMs }: LinkState): boolean {
  return isOpen && receivedMs !== undefined && nowMs - receivedMs <= SILENT_MS;
}

/** Since when the figures are stale; undefined while they are live, or before there were any. */
export function staleSinceMs(state: LinkState): number | undefined {
  return isLive(state) ? undefined : state.receivedMs;
}

function apply(state: LinkState, event: LinkEvent): LinkState {
  switch (event.type) {
    case "opened":
      return { ...state, isOpen: true };
    case "lost":
      return { ...state, isOpen: false, hasFailed: true };
    case "tick":
      return state;
    case "happened":
      return { ...state, happened: merged(state.happened, event.events) };
    case "cluster":
      return withCluster(state, event.cluster, event.nowMs);
  }
}

function withCluster(state: LinkState, cluster: Cluster, nowMs: number): LinkState {
  const seats = new Map<string, Seat>();
  for (const { key, role, state: how, partition } of cluster.nodes) {
    const former = state.seats.get(key);
    if (role !== "proxy" && partition !== null) seats.set(key, { role, partition });
    else if (how === "down" && former !== undefined) seats.set(key, former);
  }
  const news = state.cluster === undefined ? [] : newsOf(state.cluster, cluster);
  return announce({ ...state, isOpen: true, hasFailed: false, cluster, receivedMs: nowMs, seats }, news);
}

/** What a snapshot says that the one before did not. */
function newsOf(before: Cluster, after: Cluster): Omit<Announcement, "id">[] {
  const known = new Map(before.nodes.map((node) => [node.key, node]));
  const news: Omit<Announcement, "id">[] = [];
  for (const node of after.nodes) {
    const kind = newsOfNode(known.get(node.key), node);
    if (kind !== undefined) news.push({ kind, node: node.key, partition: node.partition ?? -1 });
    known.delete(node.key);
  }
  for (const key of known.keys()) news.push({ kind: "nodeGone", node: key, partition: -1 });
  return news;
}

function newsOfNode(before: Node | undefined, after: Node): Announcement["kind"] | undefined {
  if (before === undefined) return "nodeAppears";
  if (after.state === "down") return before.state === "down" ? undefined : "nodeDown";
  if (after.role === "master" && before.role !== "master") return "nodeMaster";
  return after.state === "active" && before.state !== "active" ? "nodeServes" : undefined;
}

function announceLink(before: LinkState, after: LinkState): LinkState {
  if (before.receivedMs === undefined || isLive(before) === isLive(after)) return after;
  return announce(after, [{ kind: isLive(after) ? "streamBack" : "streamLost", node: "", partition: -1 }]);
}

function announce(state: LinkState, news: readonly Omit<Announcement, "id">[]): LinkState {
  if (news.length === 0) return state;
  const last = state.announcements.at(-1)?.id ?? 0;
  const added = news.map((each, i) => ({ ...each, id: last + 1 + i }));
  return { ...state, announcements: [...state.announcements, ...added].slice(-ANNOUNCED_MAX) };
}

/** Both lists without what is there twice, oldest first. */
function merged(before: readonly Happened[], added: readonly Happened[]): readonly Happened[] {
  const byId = new Map([...before, ...added].map((each) => [String(each.id), each]));
  return [...byId.values()].sort((left, right) => left.atMs - right.atMs).slice(-HAPPENED_MAX);
}
