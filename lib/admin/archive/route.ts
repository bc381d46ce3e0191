/**
 * The way from a snapshot to a point in time through archived change logs. Replaying the log of a node gives the state of
 * that node, whatever it was; what is wanted is the state of the node that was the partition's master then, or of a slave in
 * its in-sync set. So the way begins in the log of the snapshot and may change, where two logs have had the same state, to the
 * log of another node: marks and the order of the openings of a directory say where that is. What is missing is named. Pure.
 */

import { FlareError } from "../../base/errors.ts";
import { utcText } from "../../base/utc_time.ts";
import { decodePlace, type Place } from "../../cluster/place_label.ts";
import type { PlacedStamp } from "../../storage/log/archive_part.ts";
import type { Position } from "../../storage/log/positions.ts";
import type { ArchivedLog, ArchiveIndex, Passage } from "./archive_index.ts";

/** A snapshot of a partition. */
export interface RouteStart extends Position {
  readonly partition: number;
  readonly partitions: number;
  readonly momentMs: number;
}

/** A part of the way: the records of one log behind `after`, up to `last`. */
export interface Leg {
  readonly log: ArchivedLog;
  readonly after: number;
  /** Of the last leg the end of what is there: the stamps say where to stop. */
  readonly last: number;
}

/** The way to a point in time. */
export interface Route {
  readonly legs: readonly Leg[];
  /** The node whose state it is. */
  readonly node: string;
}

/** Where the way enters a log, and where it comes from. */
interface Entry {
  readonly log: ArchivedLog;
  readonly after: number;
  readonly passage: Passage;
  readonly from: Position | undefined;
}

/** Two logs have had the same state. */
interface Link {
  readonly left: Position;
  readonly right: Position;
}

/** A log that has the state of a second. */
interface Candidate {
  readonly entry: Entry;
  readonly place: Place;
}

export class RouteFinder {
  readonly #index: ArchiveIndex;
  readonly #start: RouteStart;
  readonly #entries = new Map<string, Entry>();

  constructor(index: ArchiveIndex, start: RouteStart) {
    this.#index = index;
    this.#start = start;
    this.#explore();
  }

  /** The first second that can be restored: the one after the snapshot. */
  get first(): number {
    return Math.floor(this.#start.momentMs / 1000) + 1;
  }

  /** The last second that can be restored; undefined: none can. */
  get last(): number | undefined {
    const ends = [...this.#entries.values()].map((entry) => this.#endOf(entry));
    // It may end where a node became another one.
    for (const { stamps } of this.#index.logs.values()) ends.push(...changesOf(stamps));
    ends.sort((left, right) => right - left);
    return ends.find((second) => this.#best(second) !== undefined && this.#overtaker(second) === undefined);
  }

  /** The way to the beginning of a second. @throws FlareError REFUSED: what is missing */
  to(second: number): Route {
    const { partition } = this.#start;
    if (second < this.first) {
      const text = `the backup of partition ${partition} is of ${utcText(this.first)}, restore an earlier one to reach`;
      throw new FlareError("REFUSED", `${text} ${utcText(second)}`);
    }
    const best = this.#best(second);
    if (best === undefined) throw this.#unreachable(second);
    const overtaker = this.#overtaker(second);
    if (overtaker !== undefined) throw overtaker;
    const legs: Leg[] = [];
    let { entry } = best;
    for (let last = entry.passage.last; ; ) {
      legs.unshift({ log: entry.log, after: entry.after, last });
      if (entry.from === undefined) return { legs, node: best.entry.log.node };
      last = entry.from.sequence;
      entry = this.#entries.get(entry.from.history) as Entry;
    }
  }

  // -------------------------------------------------------------------------------------------------- internals

  /** Finds all logs that can be entered, each as early as possible. */
  #explore(): void {
    const start = this.#index.logs.get(this.#start.history);
    if (start === undefined) return;
    const links = linksOf(this.#index);
    this.#enter(start, this.#start.sequence, undefined);
    for (let isDone = false; !isDone; ) {
      isDone = true;
      for (const { left, right } of links) {
        if (this.#follow(left, right) || this.#follow(right, left)) isDone = false;
      }
    }
  }

  /** Changes from one log to the other where both have had the same state, if that is earlier than before. */
  #follow(from: Position, to: Position): boolean {
    const entry = this.#entries.get(from.history);
    const log = this.#index.logs.get(to.history);
    if (entry === undefined || log === undefined || from.sequence < entry.after || from.sequence > entry.passage.last)
      return false;
    const before = this.#entries.get(to.history);
    if (before !== undefined && (before.from === undefined || before.after <= to.sequence)) return false;
    this.#enter(log, to.sequence, from);
    return true;
  }

  #enter(log: ArchivedLog, after: number, from: Position | undefined): void {
    this.#entries.set(log.history, { log, after, passage: log.passageFrom(after), from });
  }

  /** The log that has the state at the beginning of a second: a master's before a slave's, a newer map before an older one. */
  #best(second: number): Candidate | undefined {
    const { partition, partitions } = this.#start;
    const found: Candidate[] = [];
    for (const entry of this.#entries.values()) {
      const place = this.#covers(entry, second) ? this.#placeAt(entry, second) : undefined;
      if (place?.partition === partition && place.partitions === partitions) found.push({ entry, place });
    }
    // Of two openings of one directory the first: only that one was certainly running then.
    return found.sort(({ place: left }, { place: right }) => rank(right, left))[0];
  }

  /** Whether the log has everything from where it is entered up to that second. */
  #covers(entry: Entry, second: number): boolean {
    const entered = this.#secondAt(entry.log, entry.after);
    return entered !== undefined && entered < second && second <= this.#endOf(entry);
  }

  /** Up to which second the log is there without a gap. */
  #endOf({ passage }: Entry): number {
    let end = 0;
    for (const { stamps, reached, firstSequence, records } of passage.parts) {
      for (const stamp of stamps) if (stamp.sequence <= passage.last) end = Math.max(end, stamp.second);
      if (firstSequence + records - 1 <= passage.last) end = Math.max(end, reached);
    }
    return end;
  }

  /** What the node was at the end of the second before. */
  #placeAt(entry: Entry, second: number): Place | undefined {
    const { log, after, passage } = entry;
    const stop = log.stamps.find((stamp) => stamp.sequence > after && stamp.second >= second)?.sequence ?? passage.last + 1;
    const stamp = this.#stampAt(log, Math.min(stop - 1, passage.last));
    if (stamp !== undefined) return decodePlace(stamp.label);
    // It was the master when the snapshot was taken; a change would have a stamp.
    const { history, partition, partitions } = this.#start;
    return log.history === history ? { isMaster: true, partition, partitions, mapVersion: 0n } : undefined;
  }

  /** When the state after a record was there. */
  #secondAt(log: ArchivedLog, sequence: number): number | undefined {
    if (log.history === this.#start.history && sequence === this.#start.sequence) return this.first - 1;
    return this.#stampAt(log, sequence)?.second;
  }

  /** The newest stamp up to a record, in the log or in those before it in the same directory. */
  #stampAt(log: ArchivedLog, sequence: number): PlacedStamp | undefined {
    for (let [at, to]: [ArchivedLog | undefined, number] = [log, sequence]; at !== undefined; ) {
      const stamp = at.stampAt(to);
      if (stamp !== undefined || at.follows === undefined) return stamp;
      to = at.follows.sequence;
      at = this.#index.logs.get(at.follows.history);
    }
    return undefined;
  }

  /** Another node was the master before that second, by a newer map, and its log is not on the way. */
  #overtaker(second: number): FlareError | undefined {
    const best = this.#best(second);
    const { partition } = this.#start;
    for (const log of this.#index.logs.values()) {
      for (const stamp of log.stamps) {
        // Before the backup it may have been another cluster of the same archive.
        const isBetween = this.first <= stamp.second && stamp.second < second;
        const place = isBetween ? decodePlace(stamp.label) : undefined;
        if (place?.partition !== partition || !place.isMaster || best === undefined) continue;
        if (place.mapVersion <= best.place.mapVersion) continue;
        const what = `partition ${partition}: "${log.node}" was its master from ${utcText(stamp.second)} on`;
        return gap(`${what}, and the archive does not connect its log with this backup`, stamp.second);
      }
    }
    return undefined;
  }

  #unreachable(second: number): FlareError {
    const { partition, partitions, history, sequence } = this.#start;
    const { last } = this;
    const here = `partition ${partition}`;
    if (!this.#index.logs.has(history)) {
      const what = `${here}: the log of its backup (${history}, from change ${sequence + 1} on) is not in the archive`;
      return new FlareError("REFUSED", `${what}: give all archives, or a backup taken after they began`);
    }
    const grown = this.#growth();
    if (grown !== undefined && second > grown.second) {
      const what = `${here}: the cluster had ${partitions} partitions, from ${utcText(grown.second)} on ${grown.partitions}`;
      return new FlareError("REFUSED", `${what}: restore a backup taken after that, or give an earlier time`);
    }
    const gaps = [...this.#entries.values()].flatMap((entry) => this.#gapBehind(entry));
    const reach = last === undefined ? "reaches no time" : `reaches to ${utcText(last)}`;
    if (gaps.length > 0) return gap(`${here}: ${gaps.join("; ")}; the archive ${reach}`, last ?? 0);
    const text = `${here}: the archive ${reach}, not to ${utcText(second)}`;
    return new FlareError("REFUSED", `${text}: wait until its nodes have archived more, or give an earlier time`);
  }

  /** The first moment at which a log on the way says that there are more partitions. */
  #growth(): { second: number; partitions: number } | undefined {
    for (const { log, after } of this.#entries.values()) {
      for (const stamp of log.stamps) {
        const place = stamp.sequence > after ? decodePlace(stamp.label) : undefined;
        if (place !== undefined && place.partitions > this.#start.partitions)
          return { second: stamp.second, partitions: place.partitions };
      }
    }
    return undefined;
  }

  /** What is missing directly behind what is there of a log, although there is more of it. */
  #gapBehind({ log, passage: { last } }: Entry): string[] {
    const next = log.parts.find(({ firstSequence }) => firstSequence > last + 1);
    if (next === undefined) return [];
    const damaged = this.#index.problems.find(({ path }) => path.includes(log.history));
    const why = damaged === undefined ? "" : ` (${damaged.problem})`;
    return [`changes ${last + 1} to ${next.firstSequence - 1} of the log ${log.history} of "${log.node}" are missing${why}`];
  }
}

function gap(text: string, second: number): FlareError {
  const until = second === 0 ? "" : `, or a time up to ${utcText(second)}`;
  return new FlareError("REFUSED", `${text}: give the archives of all nodes, a backup taken after the gap${until}`);
}

/** When the labels began. */
function changesOf(stamps: readonly PlacedStamp[]): number[] {
  return stamps.filter(({ label }, at) => stamps[at - 1]?.label !== label).map(({ second }) => second);
}

function linksOf(index: ArchiveIndex): Link[] {
  const links: Link[] = [];
  for (const { history, follows, parts, marks } of index.logs.values()) {
    const first = parts.find((part) => part.follows !== undefined);
    if (follows !== undefined && first !== undefined)
      links.push({ left: follows, right: { history, sequence: first.firstSequence - 1 } });
    for (const { at, history: other, sequence } of marks)
      links.push({ left: { history: other, sequence }, right: { history, sequence: at } });
  }
  return links;
}

function rank(left: Place, right: Place): number {
  if (left.isMaster !== right.isMaster) return left.isMaster ? 1 : -1;
  return left.mapVersion < right.mapVersion ? -1 : left.mapVersion > right.mapVersion ? 1 : 0;
}
