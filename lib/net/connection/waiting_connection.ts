/**
 * A connection that came before its server could serve: what the client sends is kept, and its session gets all of it in
 * order as soon as there is one, as if it had waited in the kernel's queue. A `ping` alone is answered at once, because
 * whoever asks wants to know how things stand now. Bounded in bytes here, in time by the server.
 */

import { concatBytes, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Connection, ConnectionHandler } from "../../runtime/runtime.ts";

/** The server of such a connection. */
export interface WaitingConnectionOwner {
  /** The connection has ended before it got a session; `error` as in `ConnectionHandler.onClose`. */
  left(waiting: WaitingConnection, error?: Error): void;
  monotonicMs(): number;
}

/** More than this is left to the kernel. */
const HELD_BYTES_MAX = 16384;
const PING = "ping\r\n";
const NOT_READY = fromLatin1("SERVER_ERROR this node has not joined its cluster yet\r\n");
/** The first byte of a binary request. */
const BINARY_MAGIC = 0x80;

export class WaitingConnection implements ConnectionHandler {
  /** Since when a request waits; undefined = the client has asked for nothing. */
  heldSinceMs: number | undefined;
  /** The connection stands. */
  isOpen = false;
  readonly #connection: Connection;
  readonly #owner: WaitingConnectionOwner;
  #session: ConnectionHandler | undefined;
  #hasEnded = false;
  /** The client has not taken the last answer: there must be no other one. */
  #isBlocked = false;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(connection: Connection, owner: WaitingConnectionOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** Hands everything over to `session`, what was kept first. */
  serve(session: ConnectionHandler): void {
    this.#session = session;
    if (this.isOpen && !this.#isBlocked) this.#handOver(session);
  }

  /** Nobody will serve in time: the client hears so, and the connection is closed. */
  refuse(): void {
    if (!this.#isBlocked && this.#held[0]?.[0] !== BINARY_MAGIC) this.#connection.write(NOT_READY);
    this.#forget();
    this.#connection.close();
  }

  /** Ends the connection without a word. */
  kill(): void {
    this.#connection.destroy();
  }

  onOpen(): void {
    this.isOpen = true;
    this.#session?.onOpen();
  }

  onData(chunk: Uint8Array): void {
    if (this.#session !== undefined && !this.#isBlocked) return this.#session.onData(chunk);
    this.#held.push(chunk.slice());
    this.#heldBytes += chunk.length;
    this.heldSinceMs ??= this.#owner.monotonicMs();
    if (this.#heldBytes > HELD_BYTES_MAX) this.#connection.pause();
    if (this.#heldBytes === PING.length && !this.#isBlocked) this.#answerPing();
  }

  onDrain(): void {
    if (!this.#isBlocked) return this.#session?.onDrain();
    this.#isBlocked = false;
    if (this.#session !== undefined) this.#handOver(this.#session);
  }

  onEnd(): void {
    this.#hasEnded = true;
    if (!this.#isBlocked) this.#session?.onEnd();
  }

  onClose(error?: Error): void {
    if (this.#session === undefined) this.#owner.left(this, error);
    else this.#session.onClose(error);
  }

  #handOver(session: ConnectionHandler): void {
    session.onOpen();
    const bytes = concatBytes(this.#held.splice(0));
    if (this.#heldBytes > HELD_BYTES_MAX) this.#connection.resume();
    if (bytes.length > 0) session.onData(bytes);
    if (this.#hasEnded) session.onEnd();
  }

  #answerPing(): void {
    if (latin1(concatBytes(this.#held)) !== PING) return;
    this.#forget();
    this.#isBlocked = !this.#connection.write(NOT_READY);
  }

  #forget(): void {
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.heldSinceMs = undefined;
  }
}
