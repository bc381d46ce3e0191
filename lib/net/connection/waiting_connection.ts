/**
 * A connection accepted before its server could serve: keeps what the client sends and passes it to its session, in order, as
 * soon as there is one, as if it had waited in the kernel's queue. Only `ping` is answered at once, because it asks for the
 * current state, and what other servers send before it, `lane open` or `lane meet`. Limited in bytes here, in time by the
 * server.
 */

import { concatBytes, fromLatin1, latin1 } from "../../base/bytes.ts";
import { parseLane, strangerLine } from "../../protocol/lane_request.ts";
import type { Connection, ConnectionHandler } from "../../runtime/runtime.ts";

/** The server of such a connection. */
export interface WaitingConnectionOwner {
  /** The connection ended before it got a session; `error` as in `ConnectionHandler.onClose`. */
  left(waiting: WaitingConnection, error?: Error): void;
  monotonicMs(): number;
  /** The `host:port` of the node that will serve here. */
  readonly nodeKey: string;
}

/** More than this stays in the kernel. */
const HELD_BYTES_MAX = 16384;
/** More bytes are something else. */
const QUESTIONS_BYTES_MAX = 1024;
/** Nothing but lines that are answered at once. */
const QUESTIONS = /^(?:(?:ping|<[^>\r\n]*>lane open [^\r\n]*|lane meet [^\r\n]*)\r\n)+$/;
const LANE = /^(?:<([^>]*)>)?lane (.*)$/;
const NOT_READY = "SERVER_ERROR this node has not joined its cluster yet";
/** The first byte of a binary request. */
const BINARY_MAGIC = 0x80;

export class WaitingConnection implements ConnectionHandler {
  /** Since when a request waits; undefined = the client has sent nothing. */
  heldSinceMs: number | undefined;
  /** The connection is established. */
  isOpen = false;
  readonly #connection: Connection;
  readonly #owner: WaitingConnectionOwner;
  #session: ConnectionHandler | undefined;
  #hasEnded = false;
  /** The client has not read the last answer: no other may be sent. */
  #isBlocked = false;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(connection: Connection, owner: WaitingConnectionOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** Hands the connection over to `session`, with the kept bytes first. */
  serve(session: ConnectionHandler): void {
    this.#session = session;
    if (this.isOpen && !this.#isBlocked) this.#handOver(session);
  }

  /** The server did not open in time: sends an error and closes the connection. */
  refuse(): void {
    if (!this.#isBlocked && this.#held[0]?.[0] !== BINARY_MAGIC) this.#connection.write(fromLatin1(`${NOT_READY}\r\n`));
    this.#forget();
    this.#connection.close();
  }

  /** Closes the connection without an answer. */
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
    if (this.#heldBytes <= QUESTIONS_BYTES_MAX && !this.#isBlocked) this.#answerQuestions();
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

  #answerQuestions(): void {
    const text = latin1(concatBytes(this.#held));
    if (!QUESTIONS.test(text)) return;
    this.#forget();
    const answers = text
      .split("\r\n")
      .slice(0, -1)
      .map((line) => `${this.#answer(line)}\r\n`);
    this.#isBlocked = !this.#connection.write(fromLatin1(answers.join("")));
  }

  #answer(line: string): string {
    const [, prefix, words] = LANE.exec(line) ?? [];
    const lane = words === undefined ? undefined : parseLane(prefix, words.split(" "));
    return (lane === undefined ? undefined : strangerLine(lane, this.#owner.nodeKey)) ?? NOT_READY;
  }

  #forget(): void {
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.heldSinceMs = undefined;
  }
}
