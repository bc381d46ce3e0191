/**
 * The memory that all dumps of a node share. A dump reads a piece, holds it until its client has taken it, and only then
 * reads the next; while the pieces on their way fill the memory the others wait, in their order. Clients that take next to
 * nothing are broken off when others wait for their memory.
 */

import type { Clock, Timer } from "../../runtime/runtime.ts";

const BYTES_MAX = 64 * 1048576;
/** Nobody knows how large a piece is before it is read, so only a few are read at a time. */
const READS_MAX = 4;
/** A client that holds a piece longer than this, and a second more for each so many bytes, is too slow to be waited for. */
const HOLD_MS = 30000;
const PACE_BYTES = 65536;
const LOOK_MS = 1000;

/** A part of a dump's reply, on its way to the client. */
export interface DumpPiece {
  readonly byteLength: number;
}

/** The connection a dump is for. */
export interface DumpTaker {
  /** Ends it. */
  breakOff(): void;
  /** Calls back when it has ended, at once if it has; what it gives takes that back. */
  whenGone(listener: () => void): () => void;
}

interface HeldPiece {
  readonly untilMs: number;
  readonly taker: DumpTaker;
}

export class DumpMemory {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #held = new Map<DumpPiece, HeldPiece>();
  #heldBytes = 0;
  #reads = 0;
  readonly #waiting: (() => void)[] = [];
  #timer: Timer | undefined;

  /** `bytesMax` default 64 MiB; it is exceeded by what a few reads find, never more. */
  constructor(clock: Clock, bytesMax: number = BYTES_MAX) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /** Bytes on their way to clients. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Dumps that wait for memory. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Reads a piece as soon as there is memory for it; it has to be given to `release`. Undefined, the end of the dump or of
   * its connection, is nothing to release.
   */
  async read<Piece extends DumpPiece>(work: () => Promise<Piece | undefined>, taker: DumpTaker): Promise<Piece | undefined> {
    if (this.#waiting.length === 0 && this.#hasRoom) this.#reads++;
    else if (!(await this.#turn(taker))) return undefined;
    try {
      const piece = await work();
      if (piece !== undefined) this.#hold(piece, taker);
      return piece;
    } finally {
      this.#reads--;
      this.#admit();
    }
  }

  /** The client has taken a piece, or is gone. */
  release(piece: DumpPiece): void {
    if (this.#held.delete(piece)) this.#heldBytes -= piece.byteLength;
    this.#admit();
  }

  get #hasRoom(): boolean {
    return this.#reads < READS_MAX && this.#heldBytes < this.#bytesMax;
  }

  /** False: nobody is there any more to read for. */
  #turn(taker: DumpTaker): Promise<boolean> {
    const turn = new Promise<boolean>((resolve) => {
      const begin = (): void => {
        forget();
        resolve(true);
      };
      this.#waiting.push(begin);
      const forget = taker.whenGone(() => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        this.#admit();
        resolve(false);
      });
    });
    if (this.#timer === undefined && this.#waiting.length > 0) this.#watch();
    return turn;
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#hasRoom) {
      this.#reads++;
      this.#waiting.shift()?.();
    }
    if (this.#waiting.length > 0 || this.#timer === undefined) return;
    this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #hold(piece: DumpPiece, taker: DumpTaker): void {
    const { byteLength } = piece;
    this.#heldBytes += byteLength;
    this.#held.set(piece, { untilMs: this.#clock.monotonicMs() + HOLD_MS + (byteLength / PACE_BYTES) * 1000, taker });
  }

  #watch(): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#watch();
      const nowMs = this.#clock.monotonicMs();
      for (const held of [...this.#held.values()]) if (held.untilMs <= nowMs) held.taker.breakOff();
    }, LOOK_MS);
  }
}
