/**
 * The health monitoring of one node as a pure step function: an event and the time in, the next state and effects out. It
 * decides when to ping, when a node is down or up again, and which maps it still needs. It opens no connections and sets no
 * timers; `broadcaster.ts` executes the effects.
 */

import type { NodeMap } from "../cluster/node_map.ts";

export interface MonitorOptions {
  /** Pause between the end of one exchange and the next ping, in milliseconds. */
  readonly intervalMs: number;
  /** Consecutive failures after which the node is down. */
  readonly threshold: number;
}

/** The state of one node; immutable. */
export interface MonitorState {
  /** The pending request to the node. */
  readonly phase: "idle" | "pinging" | "pushing";
  /** Failures since the last answered ping. */
  readonly failures: number;
  /** When to ping next, on the monotonic clock; applies while idle. */
  readonly dueMs: number;
  /** The node is down in the node map. */
  readonly down: boolean;
  /** The newest map, whether the node has it or not. */
  readonly newest: NodeMap;
  /** The node has acknowledged `newest`. */
  readonly confirmed: boolean;
  /** Maps to be sent, in order, because a node acts on the changes between them. While pushing, the first one is in flight. */
  readonly pending: readonly NodeMap[];
  /**
   * Whether a failed push counts as a failure of the node: only the first between two pings, so that a burst of changes does
   * not take down a node that is just restarting, and no repeated push.
   */
  readonly pushCounts: boolean;
}

export type MonitorEvent =
  | { readonly kind: "tick" }
  /** The node has joined: earlier failures are those of its previous process. */
  | { readonly kind: "joined" }
  /** The map changed; `push`: the node should get it now. */
  | { readonly kind: "map"; readonly map: NodeMap; readonly down: boolean; readonly push: boolean }
  /** The exchange is over; `ok` is false for any answer but OK, for a timeout and for a broken or refused connection. */
  | { readonly kind: "answered"; readonly ok: boolean };

export type MonitorEffect =
  | { readonly kind: "ping" }
  | { readonly kind: "push"; readonly map: NodeMap }
  /** The node acknowledged a map, or did not. */
  | { readonly kind: "pushed"; readonly map: NodeMap; readonly ok: boolean }
  | { readonly kind: "down" }
  | { readonly kind: "up" };

export interface MonitorStep {
  readonly state: MonitorState;
  readonly effects: readonly MonitorEffect[];
}

/** Most maps queued for one node; the oldest are dropped. */
export const PENDING_MAPS_MAX = 16;

/** The initial state for a node; it already has `map` or will get it after its first answer. */
export function startMonitor(map: NodeMap, down: boolean, nowMs: number, options: MonitorOptions): MonitorState {
  return {
    phase: "idle",
    failures: 0,
    dueMs: nowMs + options.intervalMs,
    down,
    newest: map,
    confirmed: false,
    pending: [],
    pushCounts: true,
  };
}

/** One step; see `MonitorEvent` and `MonitorEffect`. */
export function stepMonitor(state: MonitorState, event: MonitorEvent, nowMs: number, options: MonitorOptions): MonitorStep {
  switch (event.kind) {
    case "tick":
      if (state.phase !== "idle" || nowMs < state.dueMs) return { state, effects: [] };
      return { state: { ...state, phase: "pinging" }, effects: [{ kind: "ping" }] };
    case "joined":
      return { state: { ...state, failures: 0 }, effects: [] };
    case "map":
      return takeMap(state, event.map, event.down, event.push, nowMs, options);
    case "answered":
      return state.phase === "pinging"
        ? afterPing(state, event.ok, nowMs, options)
        : afterPush(state, event.ok, nowMs, options);
  }
}

function takeMap(
  state: MonitorState,
  map: NodeMap,
  down: boolean,
  push: boolean,
  nowMs: number,
  options: MonitorOptions,
): MonitorStep {
  const next = { ...state, newest: map, down, confirmed: false, pending: push ? [...state.pending, map] : state.pending };
  if (state.phase === "idle") return goOn(next, [], nowMs, options);
  if (next.pending.length <= PENDING_MAPS_MAX) return { state: next, effects: [] };
  // The first may be in flight: drop the one after it.
  const [first, dropped, ...rest] = next.pending as [NodeMap, NodeMap, ...NodeMap[]];
  return { state: { ...next, pending: [first, ...rest] }, effects: [{ kind: "pushed", map: dropped, ok: false }] };
}

function afterPing(state: MonitorState, ok: boolean, nowMs: number, options: MonitorOptions): MonitorStep {
  if (!ok) {
    const failed = fail({ ...state, pushCounts: true }, options);
    return goOn(failed.state, failed.effects, nowMs, options);
  }
  const isBack = state.down || state.failures >= options.threshold;
  const next = { ...state, failures: 0, pushCounts: true };
  if (isBack) return goOn(next, [{ kind: "up" }], nowMs, options);
  if (next.pending.length > 0 || next.confirmed) return goOn(next, [], nowMs, options);
  const effects: MonitorEffect[] = [{ kind: "push", map: next.newest }];
  return { state: { ...next, phase: "pushing", pending: [next.newest], pushCounts: false }, effects };
}

function afterPush(state: MonitorState, ok: boolean, nowMs: number, options: MonitorOptions): MonitorStep {
  const [map, ...pending] = state.pending as [NodeMap, ...NodeMap[]];
  const done: MonitorEffect = { kind: "pushed", map, ok };
  const next = { ...state, pending, confirmed: ok && map === state.newest, pushCounts: ok };
  if (ok || !state.pushCounts) return goOn(next, [done], nowMs, options);
  const failed = fail(next, options);
  return goOn(failed.state, [done, ...failed.effects], nowMs, options);
}

/**
 * Flare differs: the original reports down once, at the threshold. If the map could not be changed at that moment, the node
 * would stay up for ever; here the report is repeated until the map agrees.
 */
function fail(state: MonitorState, options: MonitorOptions): MonitorStep {
  const failures = state.failures + 1;
  const isDown = failures >= options.threshold && !state.down;
  return { state: { ...state, failures }, effects: isDown ? [{ kind: "down" }] : [] };
}

/** After an exchange or a new map: sends the next queued map, or waits for the next ping. */
function goOn(state: MonitorState, effects: readonly MonitorEffect[], nowMs: number, options: MonitorOptions): MonitorStep {
  const map = state.pending[0];
  if (map !== undefined) return { state: { ...state, phase: "pushing" }, effects: [...effects, { kind: "push", map }] };
  const dueMs = state.phase === "idle" ? state.dueMs : nowMs + options.intervalMs;
  return { state: { ...state, phase: "idle", dueMs }, effects };
}
