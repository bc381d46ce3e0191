/** A connection that only remembers what is written to it: for tests of everything above the sockets. */

import { concatBytes, latin1 } from "../../lib/base/bytes.ts";
import type { Connection } from "../../lib/runtime/runtime.ts";

export class FakeConnection implements Connection {
  readonly peer = "127.0.0.1:50000";
  /** Copies of all writes. */
  readonly writes: Uint8Array[] = [];
  /** How many further writes are taken; the one after them answers false. */
  room = Number.POSITIVE_INFINITY;
  paused = false;
  closed = false;
  destroyed = false;

  write(bytes: Uint8Array): boolean {
    this.writes.push(bytes.slice());
    if (this.room <= 0) return false;
    this.room--;
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.closed = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  /** Everything written so far as a latin-1 string. */
  get text(): string {
    return latin1(concatBytes(this.writes));
  }
}
