/**
 * A connection to another node: requests go out in order, pipelined, and replies are matched to them in order. When it
 * breaks, every outstanding request fails and says whether it may have been executed; a reply that does not come in
 * time breaks it too, so that no reply can ever shift onto another request.
 */

import { concatBytes, fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { type ClientReply, MALFORMED, ReplyParser, ReplyShape } from "../protocol/text_client.ts";
import type { Address, Connection, ConnectionHandler, Runtime, Timer, TlsClient } from "../runtime/runtime.ts";
import type { Worker, WorkerRegistry } from "./worker.ts";

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

interface PendingRequest {
  readonly bytes: Uint8Array;
  /** Undefined: no reply will come (`noreply`). */
  readonly shape: ReplyShape | undefined;
  readonly resolve: (reply: ClientReply) => void;
  readonly reject: (error: PeerError) => void;
  readonly queuedMs: number;
  /** Must not reach a node that does not know the meta commands: it would take a value for commands. */
  readonly isMeta: boolean;
}

/** Requests are gathered into writes of about this size. */
const WRITE_BYTES_MAX = 262144;
/** Does nothing where it is known, and is an unknown command elsewhere. */
const META_PROBE = fromLatin1("mn\r\n");
const NO_REPLY: ClientReply = { line: "", body: new Uint8Array(0) };

/** One lane to a node. It connects on the first request and again after a break. */
export class Peer implements Worker {
  readonly id: number;
  readonly type: number;
  readonly startedMs: number;
  readonly #runtime: Runtime;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #options: PeerOptions;
  readonly #workers: WorkerRegistry;
  #link: PeerLink | undefined;
  /** Not sent yet, oldest first. */
  readonly #waiting: PendingRequest[] = [];
  #waitingBytes = 0;
  #sendDeferred = false;
  #closed = false;

  constructor(
    runtime: Runtime,
    address: { host: string; port: number },
    type: number,
    workers: WorkerRegistry,
    options: PeerOptions,
  ) {
    this.#runtime = runtime;
    this.#address = address;
    this.#options = options;
    this.#workers = workers;
    this.type = type;
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    workers.add(this);
  }

  get peer(): string {
    return `${this.#address.host}:${this.#address.port}`;
  }

  get operation(): string {
    return this.queue > 0 ? "proxy" : "";
  }

  get state(): string {
    if (this.#link !== undefined && !this.#link.open) return "connect";
    return this.queue > 0 ? "execute" : "wait";
  }

  get queue(): number {
    return this.#waiting.length + (this.#link?.outstanding.length ?? 0);
  }

  get behindSeconds(): number {
    const oldest = this.#link?.outstanding[0] ?? this.#waiting[0];
    return oldest === undefined ? 0 : Math.floor((this.#runtime.clock.monotonicMs() - oldest.queuedMs) / 1000);
  }

  /** Sends a request; `shape` undefined = no reply comes and the promise resolves once the bytes are on their way. */
  request(bytes: Uint8Array, shape: ReplyShape | undefined, isMeta = false): Promise<ClientReply> {
    return new Promise((resolve, reject) => {
      const queuedMs = this.#runtime.clock.monotonicMs();
      const pending: PendingRequest = { bytes, shape, resolve, reject, queuedMs, isMeta };
      if (this.#closed) return reject(new PeerError(new FlareError("CLOSED", `connection to "${this.peer}" is closed`), false));
      if (this.#waitingBytes + bytes.length > this.#options.queueBytesMax && this.#waiting.length > 0) {
        const error = new FlareError("LIMIT_EXCEEDED", `queue to "${this.peer}" is full`, { retriable: true });
        return reject(new PeerError(error, false));
      }
      this.#waiting.push(pending);
      this.#waitingBytes += bytes.length;
      this.#link ??= this.#connect();
      this.#sendSoon();
    });
  }

  /** Whether the node is known to know the meta commands; undefined = it was not asked since the connection stands. */
  get knowsMeta(): boolean | undefined {
    return this.#link?.speaksMeta;
  }

  /** Whether the node knows the meta commands; asked once for each connection. @throws PeerError */
  async speaksMeta(): Promise<boolean> {
    if (this.knowsMeta !== undefined) return this.knowsMeta;
    const { line } = await this.request(META_PROBE, ReplyShape.line);
    const answer = line === "MN";
    if (this.#link !== undefined) this.#link.speaksMeta = answer;
    return answer;
  }

  kill(): void {
    this.#link?.fail(new FlareError("CLOSED", `connection to "${this.peer}" was ended by an operator`));
  }

  /** Takes nothing more, fails what was not sent, and closes when what is under way is answered, at most `graceMs` later. */
  retire(graceMs: number): void {
    this.#closed = true;
    this.#failWaiting(new FlareError("CLOSED", `"${this.peer}" left the cluster`, { retriable: true }));
    if (this.#link === undefined || this.#link.outstanding.length === 0) this.close();
    else this.#runtime.clock.setTimer(() => this.close(), graceMs);
  }

  /** Fails what waits and closes. */
  close(): void {
    this.#closed = true;
    this.#workers.remove(this);
    const error = new FlareError("CLOSED", `connection to "${this.peer}" was closed`);
    this.#link?.fail(error);
    this.#failWaiting(error);
  }

  #connect(): PeerLink {
    return new PeerLink(this.#runtime, this.#address, this.#options, {
      onReady: () => this.#send(),
      onIdle: () => {
        if (this.#closed) this.close();
      },
      onGone: (link, error) => {
        if (this.#link !== link) return;
        this.#link = undefined;
        // What was never sent fails too: the caller decides anew where it belongs.
        this.#failWaiting(error);
      },
    });
  }

  /** Everything asked for in one turn of the event loop goes out in one write. */
  #sendSoon(): void {
    if (this.#sendDeferred) return;
    this.#sendDeferred = true;
    this.#runtime.clock.defer(() => {
      this.#sendDeferred = false;
      this.#send();
    });
  }

  #send(): void {
    const link = this.#link;
    if (link === undefined) return;
    while (this.#waiting.length > 0 && link.writable) {
      let count = 0;
      let bytes = 0;
      while (count < this.#waiting.length && bytes < WRITE_BYTES_MAX) {
        const pending = this.#waiting[count] as PendingRequest;
        if (pending.isMeta && link.speaksMeta !== true) break;
        bytes += pending.bytes.length;
        count++;
      }
      if (count === 0) {
        this.#refuseMeta();
        continue;
      }
      this.#waitingBytes -= bytes;
      link.send(this.#waiting.splice(0, count));
    }
  }

  /** The connection that was found to know the meta commands is gone: whoever asked begins anew. */
  #refuseMeta(): void {
    const pending = this.#waiting.shift() as PendingRequest;
    this.#waitingBytes -= pending.bytes.length;
    const error = new FlareError("UNSUPPORTED", `"${this.peer}" may not know the meta commands`, { retriable: true });
    pending.reject(new PeerError(error, false));
  }

  #failWaiting(error: FlareError): void {
    this.#waitingBytes = 0;
    for (const pending of this.#waiting.splice(0)) pending.reject(new PeerError(error, false));
  }
}

interface LinkOwner {
  onReady(): void;
  /** Every request sent so far is answered. */
  onIdle(): void;
  onGone(link: PeerLink, error: FlareError): void;
}

/** One TCP connection of a peer, from connecting to its end. */
class PeerLink implements ConnectionHandler {
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

  /** Ends the connection and tells everybody who waits for it. */
  fail(error: FlareError): void {
    if (this.#failed) return;
    this.#failed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#connection.destroy();
    const outstanding = this.outstanding.splice(0);
    this.#owner.onGone(this, error);
    for (const pending of outstanding) pending.reject(new PeerError(error, true));
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
