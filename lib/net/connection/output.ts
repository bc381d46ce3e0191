/**
 * The output of a connection: the ordered segments of its replies. Requests answered at once write into the current segment;
 * one that waits keeps its segment and a new one becomes current. Everything before the first byte that is still to be written
 * or committed may leave.
 */

import type { BufferPool } from "../../protocol/buffer_pool.ts";
import { ReplySegment } from "../../protocol/reply_segment.ts";
import type { Connection } from "../../runtime/runtime.ts";

/** How many empty segments a connection keeps. */
const SPARES_MAX = 32;

export class Output {
  readonly #connection: Connection;
  /** In the order of the requests; the last one is current. */
  readonly #segments: ReplySegment[];
  /** Segments to reuse. */
  readonly #spares: ReplySegment[] = [];
  /** The connection has unsent bytes and has not drained yet. */
  #blocked = false;
  #sendingBytes = 0;

  readonly #traffic: { bytesWritten: number };

  readonly #pool: BufferPool;

  constructor(connection: Connection, pool: BufferPool, traffic: { bytesWritten: number }) {
    this.#connection = connection;
    this.#pool = pool;
    this.#traffic = traffic;
    this.#segments = [new ReplySegment(pool)];
  }

  get current(): ReplySegment {
    return this.#segments[this.#segments.length - 1] as ReplySegment;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /** The approximate number of unsent bytes while it is blocked. */
  get sendingBytes(): number {
    return this.#sendingBytes;
  }

  /** True if nothing is left to write, to wait for or to send. */
  get idle(): boolean {
    return !this.#blocked && this.#segments.length === 1 && this.current.size === 0 && this.current.closed;
  }

  /** Whether all of a segment was sent, including bytes that the connection held. */
  hasSent(segment: ReplySegment): boolean {
    return !this.#blocked && segment.size === 0;
  }

  /** Bytes held back, for any reason. */
  get size(): number {
    let size = 0;
    for (let i = 0; i < this.#segments.length; i++) size += (this.#segments[i] as ReplySegment).size;
    return size;
  }

  /** Bytes held back up to the end of `last`; all of them without it. */
  sizeUpTo(last: ReplySegment | undefined): number {
    let size = 0;
    for (const segment of this.#segments) {
      size += segment.size;
      if (segment === last) break;
    }
    return size;
  }

  /** Opens a new current segment after the one in use. */
  openNext(): ReplySegment {
    const segment = this.#spares.pop() ?? new ReplySegment(this.#pool);
    this.#segments.push(segment);
    return segment;
  }

  /** Joins the complete replies at the front, so that they leave with one write. */
  gather(): void {
    const segments = this.#segments;
    const head = segments[0] as ReplySegment;
    if (!head.closed) return;
    let joined = 0;
    while (joined + 2 < segments.length) {
      const next = segments[joined + 1] as ReplySegment;
      if (!head.absorb(next)) break;
      joined++;
    }
    if (joined > 0) this.#spare(...segments.splice(1, joined));
  }

  /** Sends what may leave, with one write per segment. */
  flush(): void {
    while (!this.#blocked) {
      if (this.#segments.length > 2) this.gather();
      const head = this.#segments[0] as ReplySegment;
      if (head.hasUncommitted) return;
      if (this.#segments.length === 2 && head.closed) head.absorb(this.current);
      const size = head.size;
      if (!head.drainTo(this.#connection)) this.#blocked = true;
      this.#sendingBytes = size - head.size;
      this.#traffic.bytesWritten += this.#sendingBytes;
      if (this.#blocked) return;
      if (!head.closed || this.#segments.length === 1) return;
      this.#segments.shift();
      head.reset();
      this.#spare(head);
    }
  }

  #spare(...segments: readonly ReplySegment[]): void {
    for (const segment of segments) if (this.#spares.length < SPARES_MAX) this.#spares.push(segment);
  }

  drained(): void {
    this.#blocked = false;
    this.flush();
  }
}
