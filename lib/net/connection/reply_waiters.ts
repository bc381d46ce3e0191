/**
 * Long replies that wait for their reader: for room to write more, or until what they have written is sent. Bytes after a reply
 * do not count against it, because they wait for the reply itself. When the reader disconnects, all waits end.
 */

import type { ReplySegment } from "../../protocol/reply_segment.ts";
import type { Output } from "./output.ts";

interface Waiter {
  readonly segment: ReplySegment;
  readonly resolve: () => void;
}

export class ReplyWaiters {
  readonly #output: Output;
  /** There is no room above this many bytes of output. */
  readonly #highWaterBytes: number;
  readonly #forRoom: Waiter[] = [];
  readonly #forSent: Waiter[] = [];
  #isOver = false;

  constructor(output: Output, highWaterBytes: number) {
    this.#output = output;
    this.#highWaterBytes = highWaterBytes;
  }

  /** Sends what may leave once it is much; true = more may be written to `segment`, or, without it, to any. */
  makeRoom(segment?: ReplySegment): boolean {
    if (this.#output.size <= this.#highWaterBytes) return true;
    this.#output.flush();
    return this.#isOver || this.#output.sizeUpTo(segment) <= this.#highWaterBytes;
  }

  /** Resolves when there is room in `segment`. */
  room(segment: ReplySegment): Promise<void> {
    if (this.makeRoom(segment)) return Promise.resolve();
    return new Promise((resolve) => this.#forRoom.push({ segment, resolve }));
  }

  /** Resolves when everything written to `segment` so far has been sent. */
  sent(segment: ReplySegment): Promise<void> {
    this.#output.flush();
    if (this.#hasSent(segment)) return Promise.resolve();
    return new Promise((resolve) => this.#forSent.push({ segment, resolve }));
  }

  /** Resumes waiters that have room, after the client has read something. */
  wake(): void {
    if (this.#forRoom.length > 0) {
      for (const waiter of this.#forRoom.splice(0)) {
        if (this.makeRoom(waiter.segment)) waiter.resolve();
        else this.#forRoom.push(waiter);
      }
    }
    if (this.#forSent.length > 0) {
      for (const waiter of this.#forSent.splice(0)) {
        if (this.#hasSent(waiter.segment)) waiter.resolve();
        else this.#forSent.push(waiter);
      }
    }
  }

  /** The reader is gone: resumes all waiters, which then find out. */
  end(): void {
    this.#isOver = true;
    for (const { resolve } of [...this.#forRoom.splice(0), ...this.#forSent.splice(0)]) resolve();
  }

  #hasSent(segment: ReplySegment): boolean {
    return this.#isOver || this.#output.hasSent(segment);
  }
}
