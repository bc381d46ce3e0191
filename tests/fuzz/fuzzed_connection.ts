/**
 * The client's side of a connection that does everything the contract of `Connection` allows, to detect code that relies on
 * more: chunks that are overwritten after the call, a slow reader, memory that is only read when it drains, chunks after
 * `pause`. Throws if the session violates the contract.
 */

import { setImmediate } from "node:timers";
import { concatBytes, latin1 } from "../../lib/base/bytes.ts";
import type { Connection, ConnectionHandler } from "../../lib/runtime/runtime.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";

/** How long answers may take that come from elsewhere. */
const PATIENCE_MS = 5000;
const USED_UP = 0x2a;

export class FuzzedConnection implements Connection {
  readonly peer = "127.0.0.1:50000";
  readonly #random: SimRandom;
  /** How probable it is that a write is not taken at once. */
  readonly #slowness: number;
  readonly #taken: Uint8Array[] = [];
  #kept: Uint8Array | undefined;
  #paused = false;
  #closed = false;

  constructor(random: SimRandom, slowness: number) {
    this.#random = random;
    this.#slowness = slowness;
  }

  /**
   * Sends chunks to a new session, ends its side and waits for the session to close; gives everything it answered.
   * @throws Error when the session breaks the contract or does not come to an end
   */
  async talk(accept: (connection: Connection) => ConnectionHandler, chunks: readonly Uint8Array[]): Promise<string> {
    const session = accept(this);
    session.onOpen();
    try {
      await this.#exchange(session, chunks);
    } finally {
      session.onClose();
    }
    return latin1(concatBytes(this.#taken));
  }

  async #exchange(session: ConnectionHandler, chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      if (this.#paused && !this.#random.chance(0.1)) await this.#until(() => !this.#paused, session);
      if (this.#closed) break;
      const lent = chunk.slice();
      session.onData(lent);
      lent.fill(USED_UP);
      if (this.#random.chance(0.5)) this.#drain(session);
    }
    await this.#until(() => !this.#paused, session);
    if (!this.#closed) session.onEnd();
    await this.#until(() => this.#closed && this.#kept === undefined, session);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    if (this.#kept !== undefined) throw new Error("written to although the connection had not drained");
    if (bytes.length === 0) throw new Error("nothing was written");
    if (this.#random.chance(this.#slowness)) {
      this.#kept = bytes;
      return false;
    }
    this.#taken.push(bytes.slice());
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  close(): void {
    this.#closed = true;
  }

  destroy(): void {
    this.#kept = undefined;
    this.#closed = true;
  }

  #drain(session: ConnectionHandler): void {
    if (this.#kept === undefined) return;
    this.#taken.push(this.#kept.slice());
    this.#kept = undefined;
    if (!this.#closed) session.onDrain();
  }

  async #until(done: () => boolean, session: ConnectionHandler): Promise<void> {
    const startMs = performance.now();
    while (!done() && !(this.#closed && this.#kept === undefined)) {
      if (this.#kept !== undefined) {
        this.#drain(session);
        continue;
      }
      if (performance.now() - startMs > PATIENCE_MS) throw new Error("the session does not come to an end");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
