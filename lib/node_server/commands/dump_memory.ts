/**
 * The memory that all dumps of a node share. A dump reads a piece, holds it until its client has read it, and only then reads
 * the next; while the pieces in flight fill the memory, other dumps wait in order. Clients that make almost no progress are
 * disconnected when others wait for their memory.
 */

import { MIB } from "../../base/byte_units.ts";
import type { Clock, Timer } from "../../runtime/runtime.ts";

const BYTES_MAX = 64 * MIB;
/** The size of a piece is unknown before it is read, so only a few are read at a time. */
const READS_MAX = 4;
/** A client that holds a piece longer than this, plus a second for each this many bytes, is too slow. */
const HOLD_MS = 30000;
const PACE_BYTES = 65536;
const LOOK_MS = 1000;

/** A part of a dump's reply, in flight to the client. */
export interface DumpPiece {
  readonly byteLength: number;
}

/** The connection of a dump. */
export interface DumpTaker {
  /** Ends it. */
  breakOff(): void;
  /** Calls back when it ends, at once if it has; the returned function cancels that. */
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

  /** `bytesMax` default 64 MiB; a few concurrent reads may exceed it, never more. */
  constructor(clock: Clock, bytesMax: number = BYTES_MAX) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /** Bytes in flight to clients. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Dumps that wait for memory. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Reads a piece as soon as there is memory for it; the caller must pass it to `release`. Undefined = the end of the dump or
   * of its connection, without `release`.
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

  /** The client has read a piece, or is gone. */
  release(piece: DumpPiece): void {
    if (this.#held.delete(piece)) this.#heldBytes -= piece.byteLength;
    this.#admit();
  }

  get #hasRoom(): boolean {
    return this.#reads < READS_MAX && this.#heldBytes < this.#bytesMax;
  }

  /** False: the client is gone. */
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
