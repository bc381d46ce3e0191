/**
 * One TCP connection to another node, from connecting to its end: replies are matched to requests in order. When it breaks,
 * every outstanding request fails and may have been executed; a reply that does not come in time breaks it too, so that no
 * reply can ever shift onto another request.
 */

import { concatBytes } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { type ClientReply, MALFORMED, ReplyParser, type ReplyShape } from "../protocol/text_client.ts";
import type { Address, Connection, ConnectionHandler, Runtime, Timer, TlsClient } from "../runtime/runtime.ts";

/** How long a lane to another server waits for what, and how much it holds. */
export interface PeerOptions {
  readonly connectTimeoutMs: number;
  /** How long the oldest outstanding reply may take. */
  readonly replyTimeoutMs: number;
  /** Bytes that may wait to be sent; more is refused with LIMIT_EXCEEDED. */
  readonly queueBytesMax: number;
  readonly replyBytesMax: number;
  /** Absent: connections are plain. */
  readonly tls?: TlsLink | undefined;
}

/** How connections to other servers speak TLS: read for each of them, because certificates are renewed. */
export interface TlsLink {
  /** Undefined: plainly. */
  readonly client: TlsClient | undefined;
}

/** A request that failed; `mayHaveHappened` is true once its bytes were handed to the connection. */
export class PeerError extends FlareError {
  readonly mayHaveHappened: boolean;

  constructor(cause: FlareError, mayHaveHappened: boolean) {
    super(cause.code, cause.message, { cause, retriable: cause.retriable });
    this.name = "PeerError";
    this.mayHaveHappened = mayHaveHappened;
  }
}

/** A request and whoever waits for its answer. */
export interface PendingRequest {
  readonly bytes: Uint8Array;
  /** Undefined: no reply will come (`noreply`). */
  readonly shape: ReplyShape | undefined;
  readonly resolve: (reply: ClientReply) => void;
  readonly reject: (error: PeerError) => void;
  readonly queuedMs: number;
  /** Must not reach a node that does not know the meta commands: it would take a value for commands. */
  readonly isMeta: boolean;
}

/** What a server that has as many connections as it may says to a new one, before it has read anything. */
const TURNED_AWAY = "ERROR Too many open connections";
const NO_REPLY: ClientReply = { line: "", body: new Uint8Array(0) };

/** What the lane hears of its connection. */
export interface LinkOwner {
  onReady(): void;
  /** Every request sent so far is answered. */
  onIdle(): void;
  onGone(link: PeerLink, error: FlareError): void;
}

/** One connection; its lane opens another one when it has gone. */
export class PeerLink implements ConnectionHandler {
  readonly outstanding: PendingRequest[] = [];
  open = false;
  /** Whether the other side knows the meta commands, as far as it was asked. */
  speaksMeta: boolean | undefined;
  readonly #runtime: Runtime;
  readonly #options: PeerOptions;
  readonly #owner: LinkOwner;
  readonly #connection: Connection;
  readonly #parser: ReplyParser;
  readonly #name: string;
  #blocked = false;
  #failed = false;
  #welcome = false;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, address: Address & { host: string; port: number }, options: PeerOptions, owner: LinkOwner) {
    this.#runtime = runtime;
    this.#options = options;
    this.#owner = owner;
    this.#name = `${address.host}:${address.port}`;
    this.#parser = new ReplyParser(options.replyBytesMax);
    this.#connection = runtime.transport.connect(address, options.connectTimeoutMs, this, {
      tls: options.tls?.client,
    });
  }

  get writable(): boolean {
    return this.open && !this.#blocked && !this.#failed;
  }

  send(requests: readonly PendingRequest[]): void {
    const [first] = requests;
    const bytes = first !== undefined && requests.length === 1 ? first.bytes : concatBytes(requests.map((one) => one.bytes));
    if (!this.#connection.write(bytes)) this.#blocked = true;
    for (const request of requests) {
      if (request.shape === undefined) request.resolve(NO_REPLY);
      else this.outstanding.push(request);
    }
    if (this.#timer === undefined && this.outstanding.length > 0) this.#watch(this.#options.replyTimeoutMs);
  }

  /** Ends the connection and tells everybody who waits for it; `unread`: nothing of what was sent was even looked at. */
  fail(error: FlareError, unread = false): void {
    if (this.#failed) return;
    this.#failed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#connection.destroy();
    const outstanding = this.outstanding.splice(0);
    this.#owner.onGone(this, error);
    for (const pending of outstanding) pending.reject(new PeerError(error, !unread));
  }

  onOpen(): void {
    this.open = true;
    this.#owner.onReady();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#owner.onReady();
  }

  onData(chunk: Uint8Array): void {
    this.#parser.push(chunk);
    while (this.outstanding.length > 0) {
      const pending = this.outstanding[0] as PendingRequest;
      const reply = this.#parser.next(pending.shape as ReplyShape);
      if (reply === undefined) return;
      if (reply === MALFORMED) return this.fail(new FlareError("CONNECTION_FAILED", `malformed reply from "${this.#name}"`));
      if (!this.#welcome && reply.line === TURNED_AWAY) return this.#turnedAway();
      this.#welcome = true;
      this.outstanding.shift();
      pending.resolve(reply);
    }
    // An answer to a request marked noreply (an error the other side sends all the same) cannot be told from the next reply.
    if (this.#parser.heldBytes > 0) this.fail(new FlareError("CONNECTION_FAILED", `unexpected reply from "${this.#name}"`));
    else this.#owner.onIdle();
  }

  onEnd(): void {
    this.fail(new FlareError("CONNECTION_FAILED", `"${this.#name}" closed the connection`, { retriable: true }));
  }

  onClose(error?: Error): void {
    if (error instanceof FlareError) this.fail(error);
    else {
      const text = `connection to "${this.#name}" broke${error === undefined ? "" : `: ${error.message}`}`;
      this.fail(new FlareError("CONNECTION_FAILED", text, { retriable: true, cause: error }));
    }
  }

  #turnedAway(): void {
    const text = `"${this.#name}" takes no more connections`;
    this.fail(new FlareError("CONNECTION_FAILED", text, { retriable: true }), true);
  }

  #watch(delayMs: number): void {
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#timer = undefined;
      const oldest = this.outstanding[0];
      if (oldest === undefined) return;
      const leftMs = oldest.queuedMs + this.#options.replyTimeoutMs - this.#runtime.clock.monotonicMs();
      if (leftMs > 0) this.#watch(leftMs);
      else this.fail(new FlareError("TIMED_OUT", `no reply from "${this.#name}" in ${this.#options.replyTimeoutMs} ms`));
    }, delayMs);
  }
}
