/**
 * What the index server knows and does about the health of one node, as a pure step function: an event and the time in,
 * the next state and effects out. It says when to ping, when a node counts as down or up again, and which maps it still
 * has to get. It opens no connection and sets no timer; `broadcaster.ts` carries the effects out.
 */

import type { NodeMap } from "../cluster/node_map.ts";

export interface MonitorOptions {
  /** Pause between the end of one exchange and the next ping, in milliseconds. */
  readonly intervalMs: number;
  /** Failures in a row after which the node is down. */
  readonly threshold: number;
}

/** Everything known of one node; never changed, only replaced. */
export interface MonitorState {
  /** What the node has been asked and has not answered yet. */
  readonly phase: "idle" | "pinging" | "pushing";
  /** Failures since the last answered ping. */
  readonly failures: number;
  /** When to ping next, on the monotonic clock; counts while idle. */
  readonly dueMs: number;
  /** The node map says that the node is down. */
  readonly down: boolean;
  /** The newest map, whether or not the node has it. */
  readonly newest: NodeMap;
  /** The node has acknowledged `newest`. */
  readonly confirmed: boolean;
  /** Maps to be sent, in order: a node acts on the steps between them. While pushing the first one is under way. */
  readonly pending: readonly NodeMap[];
  /**
   * A failed push is a failure of the node: only the first between two pings, so that a burst of changes does not take down
   * a node that is just restarting, and none that repeats an earlier one.
   */
  readonly pushCounts: boolean;
}

export type MonitorEvent =
  | { readonly kind: "tick" }
  /** The node has said itself that it is there: earlier failures are those of the process it replaces. */
  | { readonly kind: "joined" }
  /** The map changed; `push`: the node is to be told now. */
  | { readonly kind: "map"; readonly map: NodeMap; readonly down: boolean; readonly push: boolean }
  /** The exchange is over; `ok` is false for any answer but OK, for none in time and for a broken or refused connection. */
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

/** More maps than this do not wait for one node; the oldest are left out. */
export const PENDING_MAPS_MAX = 16;

/** The state in which monitoring of a node begins; it has learnt `map` by itself or will get it after its first answer. */
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
  // The first may be under way: leave out the one behind it.
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
 * Flare differs: the original says down once, at the threshold. If the map could not be changed at that moment, the node
 * would stay up for ever; here it is said again until the map agrees.
 */
function fail(state: MonitorState, options: MonitorOptions): MonitorStep {
  const failures = state.failures + 1;
  const isDown = failures >= options.threshold && !state.down;
  return { state: { ...state, failures }, effects: isDown ? [{ kind: "down" }] : [] };
}

/** After an exchange, or when there is news: sends the next map that waits, or waits for the next ping. */
function goOn(state: MonitorState, effects: readonly MonitorEffect[], nowMs: number, options: MonitorOptions): MonitorStep {
  const map = state.pending[0];
  if (map !== undefined) return { state: { ...state, phase: "pushing" }, effects: [...effects, { kind: "push", map }] };
  const dueMs = state.phase === "idle" ? state.dueMs : nowMs + options.intervalMs;
  return { state: { ...state, phase: "idle", dueMs }, effects };
}
