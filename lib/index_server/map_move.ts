/**
 * Moves the node map from the place where index servers have it to another one. First the other place is reserved, then the map
 * is marked as gone where it is, then it is stored where it goes, with a higher term; each step is a compare-and-set. So at no
 * time can somebody lead in both places, wherever this is interrupted; between the last two steps nobody leads in either. Run
 * again, it goes on where it was interrupted.
 */

import { FlareError } from "../base/errors.ts";
import { EMPTY_NODE_MAP } from "../cluster/node_map.ts";
import { encodeStoredMap, type StoredMap } from "../cluster/stored_map.ts";
import type { Coordinator, RestoredMap } from "./coordinator.ts";

/** The place that a map leaves, as its index servers see it. */
export interface MoveSource {
  /** In the form of `index-db`. */
  readonly place: string;
  /** What is stored there now. @throws FlareError */
  stored(): Promise<StoredMap>;
  /** Has the map marked as gone to another place; resolves to the answer, `OK` if it is. @throws FlareError */
  leave(place: string): Promise<string>;
}

/** What a move needs from its program. */
export interface MoveOptions {
  /** The wall clock, for the history. */
  nowMs(): number;
  /** Hears of each step that is done. */
  onStep(text: string): void;
}

/**
 * Moves the map; resolves to what is stored in the other place then.
 * @throws FlareError REFUSED saying why not; or any error of a step: it may be run again
 */
export async function moveMap(source: MoveSource, target: Coordinator, options: MoveOptions): Promise<StoredMap> {
  if (source.place === target.place) throw new FlareError("REFUSED", `the node map is in "${target.place}" already`);
  const before = await source.stored();
  const there = await usable(target);
  if (isGoneTo(before, target) && isLaterThan(there, before)) return there;
  if (before.mark !== undefined && !isGoneTo(before, target)) {
    throw new FlareError("REFUSED", `the node map in "${source.place}" is ${before.mark.kind} "${before.mark.place}"`);
  }
  const reserved =
    isReserved(there, source) || (isGoneTo(before, target) && isArriving(there))
      ? there
      : await reserve(source, target, there, before);
  options.onStep(`"${target.place}" is reserved`);
  const gone = await leave(source, target, before);
  options.onStep(`"${source.place}" is left: no index server changes the map there`);
  const arrived = { map: gone.map, term: Math.max(gone.term, reserved.term) + 1 };
  const record = {
    ...{ version: gone.map.version, term: arrived.term, atMs: options.nowMs(), server: "flare index move", events: [] },
    cause: `moved from "${source.place}"`,
  };
  await store(target, arrived, reserved.token, record);
  options.onStep(`"${target.place}" has the map`);
  return arrived;
}

/** What is in the other place. */
async function usable(target: Coordinator): Promise<RestoredMap> {
  const there = await target.restore();
  if (there.lost !== undefined) throw new FlareError("CORRUPT", there.lost);
  return there;
}

function isGoneTo({ mark }: StoredMap, { place }: Coordinator): boolean {
  return mark?.kind === "gone to" && mark.place === place;
}

/** Whether the map has arrived, and perhaps was changed since. */
function isLaterThan(there: StoredMap, gone: StoredMap): boolean {
  return there.mark === undefined && there.term > gone.term && there.map.version >= gone.map.version;
}

function isReserved({ mark }: StoredMap, { place }: MoveSource): boolean {
  return mark?.kind === "arriving from" && mark.place === place;
}

/** After the map has gone there, whoever asks: index servers may name the place that it left in different words. */
function isArriving({ mark }: StoredMap): boolean {
  return mark?.kind === "arriving from";
}

/** Marks the other place, where nobody can lead: an empty one, or one that a map has left. */
async function reserve(source: MoveSource, target: Coordinator, there: RestoredMap, before: StoredMap): Promise<RestoredMap> {
  const isEmpty = there.mark === undefined && there.term === 0 && there.map.version === EMPTY_NODE_MAP.version;
  if (!isEmpty && there.mark?.kind !== "gone to") {
    const what = there.mark === undefined ? `a node map of version ${there.map.version}` : `one from "${there.mark.place}"`;
    throw new FlareError("REFUSED", `"${target.place}" is in use, it has ${what}; choose another place, or remove it there`);
  }
  if (there.map.version > before.map.version) {
    const text = `"${target.place}" had a node map of version ${there.map.version}, which is newer than ${before.map.version}`;
    throw new FlareError("REFUSED", `${text}; choose another place`);
  }
  const mark = { kind: "arriving from", place: source.place } as const;
  const reservation = { map: there.map, term: Math.max(there.term, before.term), mark };
  const token = await store(target, reservation, there.token, undefined);
  return { ...reservation, token };
}

/** Has the map marked where it is; what is stored there then. An unknown outcome is looked up. */
async function leave(source: MoveSource, target: Coordinator, before: StoredMap): Promise<StoredMap> {
  if (isGoneTo(before, target)) return before;
  let answer: string;
  try {
    answer = await source.leave(target.place);
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    answer = error.message;
  }
  const found = await source.stored();
  if (isGoneTo(found, target)) return found;
  throw new FlareError("REFUSED", `the node map stays in "${source.place}" for now: ${answer}; run this again`);
}

/** Stores if nobody else has; an unknown outcome is looked up. Resolves to the token. */
async function store(
  target: Coordinator,
  stored: StoredMap,
  token: string,
  record: Parameters<Coordinator["store"]>[2],
): Promise<string> {
  let problem = "somebody else has changed what is there";
  try {
    const next = await target.store(stored, token, record);
    if (next !== undefined) return next;
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    problem = error.message;
  }
  const found = await usable(target);
  if (encodeStoredMap(found) === encodeStoredMap(stored)) return found.token;
  throw new FlareError("REFUSED", `"${target.place}" was not changed: ${problem}; run this again`);
}
