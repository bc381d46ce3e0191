/**
 * A lane to another node: requests go out in order, pipelined, on a connection that is opened when the first one comes and
 * again after a break. A request that fails says whether it may have been executed; one that may be repeated is, in its
 * order, for as long as the lane is wanted. While a node is known to be gone without a word, nobody waits for it.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Worker, WorkerRegistry } from "../worker.ts";
import { PeerError, PeerLink, type PeerOptions, type PendingRequest, type Repeats } from "./peer_link.ts";

/** Requests are gathered into writes of about this size. */
const WRITE_BYTES_MAX = 262144;
/** A connection that is wanted, but not by requests that could fail, is opened again after this pause. */
const RECONNECT_MS = 500;
/** So often a node may end the connection instead of answering a request that is repeated. */
const LOSSES_MAX = 3;
/** Does nothing where it is known, and is an unknown command elsewhere. */
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
  /** Why nothing is asked of the node now: it does not answer. */
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

  /** Whether it has a connection, or is about to have one. */
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

  /** Whether a request of so many bytes may wait here now. */
  hasRoom(bytes: number): boolean {
    return this.#waiting.length === 0 || this.#waitingBytes + bytes <= this.#options.queueBytesMax;
  }

  /** Sends a request; `shape` undefined = no reply comes and the promise resolves once the bytes are on their way. */
  request(bytes: Uint8Array, shape: ReplyShape | undefined, isMeta = false): Promise<ClientReply> {
    return this.#enqueue(bytes, shape, isMeta, undefined);
  }

  /**
   * As `request`, for what may be carried out twice: it is sent again when its connection breaks, before anything newer. Fails
   * when the lane is closed, too much waits, or the node answers it with the end of the connection again and again.
   * @param onDelayed called when the node cannot be reached now, so that it may take long; perhaps more than once
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
      // What was never sent fails too: the caller decides anew where it belongs.
      if (pending.repeats === undefined || this.#closed) pending.reject(new PeerError(error, false));
      else repeated.push(pending);
    }
    this.#waiting.push(...repeated);
    this.#waitingBytes = repeated.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const { repeats } of repeated) repeats?.onDelayed();
    if (this.#closed) return;
    // Found out before anybody waits for it again: a node that does not answer costs a connection its whole time.
    this.#silence = isSilent && this.#options.silenceTimeoutMs !== undefined ? error : undefined;
    if (this.#silence !== undefined || repeated.length > 0) this.#reconnectLater();
  }

  #reconnectLater(): void {
    this.#reconnecting ??= this.#runtime.clock.setTimer(() => {
      this.#reconnecting = undefined;
      this.#link ??= this.#connect();
    }, RECONNECT_MS);
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
        const { repeats } = this.#waiting[0] as PendingRequest;
        if (repeats !== undefined && link.speaksMeta === undefined) return this.#askMeta(link);
        this.#refuseMeta();
        continue;
      }
      this.#waitingBytes -= bytes;
      link.send(this.#waiting.splice(0, count));
    }
  }

  /** Another connection than the one that was asked: what is to be repeated waits until it is known what this one knows. */
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
