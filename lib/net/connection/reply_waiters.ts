/**
 * Long replies that wait for their reader: for room to write more, or until what they have written has left. What stands
 * behind a reply does not count against it: that waits for the reply itself. Once the reader is gone nobody waits any more.
 */

import type { Segment } from "../../protocol/segment.ts";
import type { Output } from "./output.ts";

interface Waiter {
  readonly segment: Segment;
  readonly resolve: () => void;
}

export class ReplyWaiters {
  readonly #output: Output;
  /** Bytes of output above which there is no room. */
  readonly #highWaterBytes: number;
  readonly #forRoom: Waiter[] = [];
  readonly #forSent: Waiter[] = [];
  #isOver = false;

  constructor(output: Output, highWaterBytes: number) {
    this.#output = output;
    this.#highWaterBytes = highWaterBytes;
  }

  /** Sends what may leave if there is much of it; true = more may be written to `segment`, or, without it, to any. */
  makeRoom(segment?: Segment): boolean {
    if (this.#output.size <= this.#highWaterBytes) return true;
    this.#output.flush();
    return this.#isOver || this.#output.sizeUpTo(segment) <= this.#highWaterBytes;
  }

  /** Resolves when there is room in `segment`. */
  room(segment: Segment): Promise<void> {
    if (this.makeRoom(segment)) return Promise.resolve();
    return new Promise((resolve) => this.#forRoom.push({ segment, resolve }));
  }

  /** Resolves when all that was written to `segment` so far has left. */
  sent(segment: Segment): Promise<void> {
    this.#output.flush();
    if (this.#hasSent(segment)) return Promise.resolve();
    return new Promise((resolve) => this.#forSent.push({ segment, resolve }));
  }

  /** Lets those go on that may, now that the client has taken something. */
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

  /** The reader is gone: everybody goes on, and finds that out. */
  end(): void {
    this.#isOver = true;
    for (const { resolve } of [...this.#forRoom.splice(0), ...this.#forSent.splice(0)]) resolve();
  }

  #hasSent(segment: Segment): boolean {
    return this.#isOver || this.#output.hasSent(segment);
  }
}
