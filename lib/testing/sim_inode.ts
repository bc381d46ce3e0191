/**
 * The content of a simulated file, whatever its names are, and what a power cut leaves of it. What was synced stays. Of the
 * rest any pieces (appends, or sectors of them) may be on the disk in any combination, also a later one without an earlier one;
 * the file may be longer than what is kept, and a hole reads as zeros, as garbage or as what was there before an unsynced cut.
 */

import type { SimRandom } from "./sim_random.ts";

/** What reaches the disk in one piece or not at all. */
const SECTOR_BYTES = 512;
/** The damaged end of a torn write, at most. */
const TORN_BYTES_MAX = 40;

/** A sync that runs: what is appended or cut after its begin is not part of it. */
export interface RunningSync {
  size: number;
  cutSince: boolean;
}

/** What a power cut leaves of the part of a file that nobody synced. */
export const Outcome = {
  nothing: "nothing",
  everything: "everything",
  /** A beginning, which may end in a damaged sector. */
  beginning: "beginning",
  /** Any pieces, with holes between them. */
  pieces: "pieces",
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

interface Content {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly syncedSize: number;
  readonly pieces: readonly number[];
}

export class SimInode {
  #bytes: Uint8Array = new Uint8Array(256);
  #size = 0;
  #syncedSize = 0;
  /** Where the appends begin that nobody synced. */
  #pieces: number[] = [];
  /** What a power cut may bring back after an unsynced cut. */
  #beforeCut: Content | undefined;
  readonly #syncs = new Set<RunningSync>();

  get size(): number {
    return this.#size;
  }

  /** A copy. */
  content(): Uint8Array {
    return this.#bytes.slice(0, this.#size);
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const size = this.#size + bytes.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    this.#pieces.push(this.#size);
    this.#bytes.set(bytes, this.#size);
    this.#size = size;
  }

  truncate(size: number): void {
    if (size >= this.#size) return;
    this.#beforeCut ??= this.#copy();
    for (const sync of this.#syncs) {
      sync.size = Math.min(sync.size, size);
      sync.cutSince = true;
    }
    this.#size = size;
    this.#syncedSize = Math.min(this.#syncedSize, size);
    this.#pieces = this.#pieces.filter((start) => start < size);
  }

  /** Everything that is here now will be on the disk when `endSync` is called. */
  beginSync(): RunningSync {
    const sync = { size: this.#size, cutSince: false };
    this.#syncs.add(sync);
    return sync;
  }

  endSync(sync: RunningSync): void {
    this.#syncs.delete(sync);
    this.#syncedSize = Math.max(this.#syncedSize, sync.size);
    this.#pieces = this.#pieces.filter((start) => start >= this.#syncedSize);
    if (!sync.cutSince) this.#beforeCut = undefined;
  }

  /** The sync failed: nothing is known to be on the disk because of it. */
  failSync(sync: RunningSync): void {
    this.#syncs.delete(sync);
  }

  losePower(random: SimRandom): void {
    const past = this.#beforeCut;
    const content = past !== undefined && random.chance(0.5) ? past : this.#copy();
    const { nothing, everything, beginning, pieces } = Outcome;
    const outcome = random.pick([nothing, everything, beginning, pieces, pieces]);
    const kept = remains(content, outcome, past, random);
    this.#bytes = kept;
    this.#size = kept.length;
    this.#syncedSize = kept.length;
    this.#pieces = [];
    this.#beforeCut = undefined;
    this.#syncs.clear();
  }

  #copy(): Content {
    return {
      bytes: this.content(),
      size: this.#size,
      syncedSize: this.#syncedSize,
      pieces: this.#pieces,
    };
  }
}

function remains({ bytes, size, syncedSize, pieces }: Content, outcome: Outcome, past: Content | undefined, random: SimRandom) {
  switch (outcome) {
    case Outcome.nothing:
      return bytes.slice(0, syncedSize);
    case Outcome.everything:
      return bytes.slice(0, size);
    case Outcome.beginning: {
      const end = random.between(syncedSize, size);
      const kept = bytes.slice(0, end);
      // A sector that was being written holds anything.
      if (random.chance(0.3)) {
        kept.fill(random.between(0, 255), Math.max(syncedSize, end - random.between(1, TORN_BYTES_MAX)), end);
      }
      return kept;
    }
    case Outcome.pieces:
      return withHoles({ bytes, size, syncedSize, pieces }, past, random);
  }
}

function withHoles({ bytes, size, syncedSize, pieces }: Content, past: Content | undefined, random: SimRandom): Uint8Array {
  const kept = bytes.slice(0, size);
  const keepProbability = random.pick([0.2, 0.5, 0.9]);
  let keptEnd = syncedSize;
  let start = syncedSize;
  for (const end of pieceEnds(syncedSize, size, pieces)) {
    if (random.chance(keepProbability)) keptEnd = end;
    else fillHole(kept, start, end, past, random);
    start = end;
  }
  return kept.slice(0, random.chance(0.5) ? keptEnd : random.between(keptEnd, size));
}

/** The ends of all pieces between two places, in order. */
function pieceEnds(from: number, to: number, starts: readonly number[]): number[] {
  const ends = new Set([to, ...starts]);
  for (let at = SECTOR_BYTES * Math.ceil(from / SECTOR_BYTES); at < to; at += SECTOR_BYTES) ends.add(at);
  return [...ends].filter((end) => end > from && end <= to).sort((left, right) => left - right);
}

function fillHole(bytes: Uint8Array, start: number, end: number, past: Content | undefined, random: SimRandom): void {
  const what = random.pick(["zeros", "zeros", "garbage", "past"]);
  if (what === "garbage") for (let at = start; at < end; at++) bytes[at] = random.between(0, 255);
  else bytes.fill(0, start, end);
  if (what === "past" && past !== undefined) bytes.set(past.bytes.subarray(start, Math.min(end, past.size)), start);
}
