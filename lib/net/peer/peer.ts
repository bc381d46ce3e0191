/**
 * A lane to another node: requests go out in order, pipelined, on a connection that is opened on the first one and reopened
 * after a break. The error of a failed request says whether it may have been executed; repeatable requests are repeated, in
 * order, for as long as the lane is in use. While a node is known to be silent, nobody waits for it.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Worker, WorkerRegistry } from "../worker.ts";
import { PeerError, PeerLink, type PeerOptions, type PendingRequest, type Repeats } from "./peer_link.ts";

/** Requests are combined into writes of about this size. */
const WRITE_BYTES_MAX = 262144;
/** The pause before a connection is reopened that only repeatable requests need. */
const RECONNECT_MS = 500;
/** How often a node may close the connection instead of answering a repeated request. */
const LOSSES_MAX = 3;
/** A no-op for nodes with meta commands, an unknown command for others. */
const META_PROBE = fromLatin1("mn\r\n");

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
  /** Why requests to the node fail at once: it does not answer. */
  #silence: FlareError | undefined;
  #reconnecting: Timer | undefined;
  #askingMeta = false;

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
    return formatHostPort(this.#address.host, this.#address.port);
  }

  get operation(): string {
    return this.queue > 0 ? "proxy" : "";
  }

  get state(): string {
    if (this.#link !== undefined && !this.#link.open) return "connect";
    return this.queue > 0 ? "execute" : "wait";
  }

  /** Whether it has a connection or is opening one. */
  get isInUse(): boolean {
    return this.#link !== undefined;
  }

  get queue(): number {
    return this.#waiting.length + (this.#link?.outstanding.length ?? 0);
  }

  get behindSeconds(): number {
    const oldest = this.#link?.outstanding[0] ?? this.#waiting[0];
    return oldest === undefined ? 0 : Math.floor((this.#runtime.clock.monotonicMs() - oldest.queuedMs) / 1000);
  }

  /** Whether a request of `bytes` bytes can be queued now. */
  hasRoom(bytes: number): boolean {
    return this.#waiting.length === 0 || this.#waitingBytes + bytes <= this.#options.queueBytesMax;
  }

  /**
   * Sends a request; `shape` undefined = there is no reply, and the promise resolves once the bytes are handed to the
   * connection.
   */
  request(bytes: Uint8Array, shape: ReplyShape | undefined, isMeta = false): Promise<ClientReply> {
    return this.#enqueue(bytes, shape, isMeta, undefined);
  }

  /**
   * As `request`, for repeatable requests: sent again when its connection breaks, before anything newer. Fails if the lane is
   * closed or its queue is full, or if the node repeatedly closes the connection instead of answering.
   * @param onDelayed called if the node cannot be reached now, so that the answer may take long; perhaps more than once
   */
  repeat(bytes: Uint8Array, shape: ReplyShape | undefined, isMeta: boolean, onDelayed: () => void): Promise<ClientReply> {
    return this.#enqueue(bytes, shape, isMeta, { onDelayed, losses: 0 });
  }

  #enqueue(
    bytes: Uint8Array,
    shape: ReplyShape | undefined,
    isMeta: boolean,
    repeats: Repeats | undefined,
  ): Promise<ClientReply> {
    return new Promise((resolve, reject) => {
      const queuedMs = this.#runtime.clock.monotonicMs();
      const pending: PendingRequest = { bytes, shape, resolve, reject, queuedMs, isMeta, repeats };
      if (this.#closed) return reject(new PeerError(new FlareError("CLOSED", `connection to "${this.peer}" is closed`), false));
      if (!this.hasRoom(bytes.length)) {
        const error = new FlareError("LIMIT_EXCEEDED", `queue to "${this.peer}" is full`, { retriable: true });
        return reject(new PeerError(error, false));
      }
      if (this.#silence !== undefined && repeats === undefined) return reject(new PeerError(this.#silence, false));
      this.#waiting.push(pending);
      this.#waitingBytes += bytes.length;
      if (repeats === undefined || this.#reconnecting === undefined) this.#link ??= this.#connect();
      if (this.#silence !== undefined || this.#reconnecting !== undefined) repeats?.onDelayed();
      this.#sendSoon();
    });
  }

  /** Whether the node has the meta commands; undefined = not asked yet on this connection. */
  get knowsMeta(): boolean | undefined {
    return this.#link?.speaksMeta;
  }

  /** Whether the node has the meta commands; asked once per connection. @throws PeerError */
  async speaksMeta(): Promise<boolean> {
    if (this.knowsMeta !== undefined) return this.knowsMeta;
    const { line } = await this.request(META_PROBE, ReplyShape.line);
    const answer = line === "MN";
    if (this.#link !== undefined) this.#link.speaksMeta = answer;
    return answer;
  }

  kill(): void {
    this.#link?.fail(new FlareError("CLOSED", `connection to "${this.peer}" was killed by an operator`));
  }

  /** Accepts no more requests, fails unsent ones, and closes when those in flight are answered, at most `graceMs` later. */
  retire(graceMs: number): void {
    this.#closed = true;
    this.#failWaiting(new FlareError("CLOSED", `"${this.peer}" left the cluster`, { retriable: true }));
    if (this.#link === undefined || this.#link.outstanding.length === 0) this.close();
    else this.#runtime.clock.setTimer(() => this.close(), graceMs);
  }

  /** Fails waiting requests and closes. */
  close(): void {
    this.#closed = true;
    this.#workers.remove(this);
    if (this.#reconnecting !== undefined) this.#runtime.clock.clearTimer(this.#reconnecting);
    this.#reconnecting = undefined;
    const error = new FlareError("CLOSED", `connection to "${this.peer}" was closed`);
    this.#link?.fail(error);
    this.#failWaiting(error);
  }

  #connect(): PeerLink {
    if (this.#reconnecting !== undefined) this.#runtime.clock.clearTimer(this.#reconnecting);
    this.#reconnecting = undefined;
    return new PeerLink(this.#runtime, this.#address, this.#options, {
      onReady: () => {
        this.#silence = undefined;
        this.#send();
      },
      onIdle: () => {
        if (this.#closed) this.close();
      },
      onGone: (link, error, unanswered, unread) => this.#onGone(link, error, unanswered, unread),
    });
  }

  #onGone(link: PeerLink, error: FlareError, unanswered: readonly PendingRequest[], unread: boolean): void {
    const isCurrent = this.#link === link;
    if (isCurrent) this.#link = undefined;
    this.#askingMeta = false;
    const isSilent = error.code === "TIMED_OUT";
    const repeated: PendingRequest[] = [];
    for (const pending of unanswered) {
      const { repeats } = pending;
      if (repeats !== undefined && !isSilent && !unread) repeats.losses++;
      if (isCurrent && !this.#closed && error.retriable && repeats !== undefined && repeats.losses < LOSSES_MAX) {
        repeated.push(pending);
      } else pending.reject(new PeerError(error, !unread));
    }
    if (!isCurrent) return;
    for (const pending of this.#waiting.splice(0)) {
      // Unsent requests fail, too: the caller routes them again.
      if (pending.repeats === undefined || this.#closed) pending.reject(new PeerError(error, false));
      else repeated.push(pending);
    }
    this.#waiting.push(...repeated);
    this.#waitingBytes = repeated.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const { repeats } of repeated) repeats?.onDelayed();
    if (this.#closed) return;
    // Probe it before anybody waits for it again: a silent node costs a connection the whole timeout.
    this.#silence = isSilent && this.#options.silenceTimeoutMs !== undefined ? error : undefined;
    if (this.#silence !== undefined || repeated.length > 0) this.#reconnectLater();
  }

  #reconnectLater(): void {
    this.#reconnecting ??= this.#runtime.clock.setTimer(() => {
      this.#reconnecting = undefined;
      this.#link ??= this.#connect();
    }, RECONNECT_MS);
  }

  /** All requests of one event loop turn go out in one write. */
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
        const { repeats } = this.#waiting[0] as PendingRequest;
        if (repeats !== undefined && link.speaksMeta === undefined) return this.#askMeta(link);
        this.#refuseMeta();
        continue;
      }
      this.#waitingBytes -= bytes;
      link.send(this.#waiting.splice(0, count));
    }
  }

  /** A new connection: repeated requests wait until it is known whether its node has the meta commands. */
  #askMeta(link: PeerLink): void {
    if (this.#askingMeta) return;
    this.#askingMeta = true;
    const resolve = ({ line }: ClientReply): void => {
      this.#askingMeta = false;
      link.speaksMeta = line === "MN";
      this.#send();
    };
    const queuedMs = this.#runtime.clock.monotonicMs();
    link.send([{ bytes: META_PROBE, shape: ReplyShape.line, resolve, reject: () => undefined, queuedMs, isMeta: false }]);
  }

  /** The connection whose node had the meta commands is gone: the callers must ask again. */
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
