/**
 * A lane to another node: requests go out in order, pipelined, on a connection that is opened on the first one and reopened
 * after a break. The error of a failed request says whether it may have been executed; repeatable requests are repeated, in
 * order, for as long as the lane is in use. While a node is known to be silent, nobody waits for it.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { nodeKey } from "../../cluster/node.ts";
import { laneLines } from "../../protocol/lane_request.ts";
import { RequestBuffer } from "../../protocol/text/request_buffer.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Worker, WorkerRegistry } from "../worker.ts";
import {
  type FoundReply,
  type Introduction,
  type LinkOwner,
  PeerError,
  type PeerFeature,
  PeerLink,
  type PeerOptions,
  type PendingRequest,
  type Repeats,
  type RequestForm,
  requestFor,
} from "./peer_link.ts";

/** Requests are combined into writes of about this size. */
const WRITE_BYTES_MAX = 262144;
/** The pause before a connection is reopened that only repeatable requests need. */
const RECONNECT_MS = 500;
/** How often a node may close the connection instead of answering a repeated request. */
const LOSSES_MAX = 3;
/** A no-op for nodes with meta commands, an unknown command for others. */
const META_PROBE = fromLatin1("mn\r\n");

/** The answer to `forward`, and to its repetitions. */
const FORWARD_OK = "OK";

/** A repeatable request in one form or two: which one a node gets depends on whether it has the meta commands. */
export interface RequestForms {
  /** For a node with the meta commands; undefined: it gets the plain form. */
  readonly meta: RequestForm | undefined;
  /** For a node without them; undefined: the request fails there. */
  readonly plain: RequestForm | undefined;
}

/** A request of a client that is passed on as it is, without a promise; its answer, too. The lane fills in the rest. */
export abstract class PassedRequest implements PendingRequest {
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  /** Its key is `bytes[keyStart, keyEnd)`. */
  keyStart = 0;
  keyEnd = 0;
  queuedMs = 0;
  needs: PeerFeature | undefined = undefined;
  abstract readonly shape: ReplyShape;
  abstract answer(found: FoundReply): void;
  /** May be called by `pass` at once. */
  abstract reject(error: PeerError): void;
}

/** One lane to a node. It connects on the first request and again after a break. */
export class Peer implements Worker {
  readonly id: number;
  readonly type: number;
  readonly startedMs: number;
  readonly peer: string;
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
  #askingForward: Promise<boolean> | undefined;
  readonly #introduction: Introduction | undefined;
  /** Where requests to pass on are written. */
  readonly outbox = new RequestBuffer();
  /** When the first request of this turn was queued. */
  #turnMs = 0;

  /** @param introduction absent = nothing is forwarded here */
  constructor(
    runtime: Runtime,
    address: { host: string; port: number },
    type: number,
    workers: WorkerRegistry,
    options: PeerOptions,
    introduction?: Introduction,
  ) {
    this.#introduction = introduction;
    this.#runtime = runtime;
    this.#address = address;
    this.#options = options;
    this.#workers = workers;
    this.type = type;
    this.id = workers.nextId();
    this.startedMs = runtime.clock.monotonicMs();
    this.peer = formatHostPort(address.host, address.port);
    workers.add(this);
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
  request(bytes: Uint8Array, shape: ReplyShape | undefined, needs?: PeerFeature): Promise<ClientReply> {
    return this.#enqueue(bytes, shape, needs, undefined);
  }

  /**
   * As `request`, for repeatable requests: sent again when its connection breaks, before anything newer. Fails if the lane is
   * closed or its queue is full, or if the node repeatedly closes the connection instead of answering. It keeps its place in
   * the queue until it is known which form the node gets.
   * @param onDelayed called if the node cannot be reached now, so that the answer may take long; perhaps more than once
   */
  repeat({ meta, plain }: RequestForms, onDelayed: () => void): Promise<ClientReply> {
    const { bytes, shape } = (meta ?? plain) as RequestForm;
    return this.#enqueue(bytes, shape, meta === undefined ? undefined : "meta", { onDelayed, losses: 0, plain });
  }

  /** Sends what was written to the outbox last. */
  pass(request: PassedRequest): void {
    const { bytes, start, end, keyStart, keyEnd } = this.outbox;
    request.bytes = bytes;
    request.start = start;
    request.end = end;
    request.keyStart = keyStart;
    request.keyEnd = keyEnd;
    if (!this.#sendDeferred) this.#turnMs = this.#runtime.clock.monotonicMs();
    request.queuedMs = this.#turnMs;
    this.#add(request);
  }

  #enqueue(
    bytes: Uint8Array,
    shape: ReplyShape | undefined,
    needs: PeerFeature | undefined,
    repeats: Repeats | undefined,
  ): Promise<ClientReply> {
    return new Promise((resolve, reject) =>
      this.#add({ ...requestFor(bytes, shape, resolve, reject, this.#runtime.clock.monotonicMs()), needs, repeats }),
    );
  }

  #add(pending: PendingRequest): void {
    const { repeats } = pending;
    const bytes = pending.end - pending.start;
    if (this.#closed)
      return pending.reject(new PeerError(new FlareError("CLOSED", `connection to "${this.peer}" is closed`), false));
    if (!this.hasRoom(bytes)) {
      const error = new FlareError("LIMIT_EXCEEDED", `queue to "${this.peer}" is full`, { retriable: true });
      return pending.reject(new PeerError(error, false));
    }
    if (this.#silence !== undefined && repeats === undefined) return pending.reject(new PeerError(this.#silence, false));
    this.#waiting.push(pending);
    this.#waitingBytes += bytes;
    if (repeats === undefined || this.#reconnecting === undefined) this.#link ??= this.#connect();
    if (this.#silence !== undefined || this.#reconnecting !== undefined) repeats?.onDelayed();
    this.#sendSoon();
  }

  /** Whether the node has the meta commands; asked once per connection. @throws PeerError */
  async speaksMeta(): Promise<boolean> {
    if (this.#link?.speaksMeta !== undefined) return this.#link.speaksMeta;
    const { line } = await this.request(META_PROBE, ReplyShape.line);
    const answer = line === "MN";
    if (this.#link !== undefined) this.#link.speaksMeta = answer;
    return answer;
  }

  /** Whether the node takes forwarded requests without a node list; undefined = not asked yet on this connection. */
  get knowsForward(): boolean | undefined {
    return this.#introduction === undefined ? false : this.#link?.takesForwards;
  }

  /** Whether the node takes forwarded requests without a node list; asked once per connection. @throws PeerError */
  async takesForwards(): Promise<boolean> {
    if (this.knowsForward !== undefined) return this.knowsForward;
    this.#askingForward ??= new Promise<boolean>((resolve, reject) => {
      const bytes = this.#introduction?.forwardLine() ?? EMPTY_BYTES;
      const answer = ({ line }: ClientReply): void => {
        const link = this.#link as PeerLink;
        link.takesForwards = line === FORWARD_OK;
        link.announced = bytes;
        resolve(link.takesForwards);
      };
      this.#add(requestFor(bytes, ReplyShape.line, answer, reject, this.#runtime.clock.monotonicMs()));
    }).finally(() => {
      this.#askingForward = undefined;
    });
    return this.#askingForward;
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
    const owner: LinkOwner = {
      onReady: () => {
        this.#silence = undefined;
        this.#send();
      },
      onIdle: () => {
        if (this.#closed) this.close();
      },
      onGone: (link, error, unanswered, unread) => this.#onGone(link, error, unanswered, unread),
    };
    const { host, port } = this.#address;
    const self = this.#introduction?.nodeKey;
    const lane = self === undefined ? undefined : laneLines(self, this.#workers.nextId(), nodeKey(host, port));
    return new PeerLink(this.#runtime, this.#address, this.#options, owner, lane);
  }

  #onGone(link: PeerLink, error: FlareError, unanswered: readonly PendingRequest[], unread: boolean): void {
    const isCurrent = this.#link === link;
    if (isCurrent) this.#link = undefined;
    this.#askingMeta = false;
    const isSilent = error.code === "TIMED_OUT";
    const repeated: PendingRequest[] = [];
    for (const sent of unanswered) {
      const pending = sent.whole ?? sent;
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
    this.#waitingBytes = repeated.reduce((sum, { start, end }) => sum + end - start, 0);
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
      if (link.takesForwards === true) this.#announce(link);
      let count = 0;
      let bytes = 0;
      while (count < this.#waiting.length && bytes < WRITE_BYTES_MAX) {
        const { needs, start, end } = this.#waiting[count] as PendingRequest;
        if (needs !== undefined && !hasFeature(link, needs)) break;
        bytes += end - start;
        count++;
      }
      if (count === 0) {
        const { needs, repeats } = this.#waiting[0] as PendingRequest;
        if (needs === "meta" && repeats !== undefined && link.speaksMeta === undefined) return this.#askMeta(link);
        this.#sendPlain(link);
        continue;
      }
      this.#waitingBytes -= bytes;
      link.send(this.#waiting.splice(0, count));
    }
  }

  /** Says by which node map we forward, if that has changed. */
  #announce(link: PeerLink): void {
    const bytes = this.#introduction?.forwardLine();
    if (bytes === undefined || bytes === link.announced) return;
    link.announced = bytes;
    const answer = ({ line }: ClientReply): void => {
      if (line !== FORWARD_OK) link.fail(new FlareError("REFUSED", `"${this.peer}" answered "${line}" to a forward`));
    };
    link.send([requestFor(bytes, ReplyShape.line, answer, () => undefined, this.#runtime.clock.monotonicMs())]);
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
    link.send([requestFor(META_PROBE, ReplyShape.line, resolve, () => undefined, this.#runtime.clock.monotonicMs())]);
  }

  /** The node lacks what the oldest request needs: sends its plain form; without one the request fails. */
  #sendPlain(link: PeerLink): void {
    const pending = this.#waiting.shift() as PendingRequest;
    this.#waitingBytes -= pending.end - pending.start;
    const plain = pending.repeats?.plain;
    if (plain !== undefined) {
      return link.send([{ ...pending, ...plain, start: 0, end: plain.bytes.length, whole: pending }]);
    }
    const text = pending.needs === "meta" ? "may not know the meta commands" : "may not take forwarded requests";
    pending.reject(new PeerError(new FlareError("UNSUPPORTED", `"${this.peer}" ${text}`, { retriable: true }), false));
  }

  #failWaiting(error: FlareError): void {
    this.#waitingBytes = 0;
    for (const pending of this.#waiting.splice(0)) pending.reject(new PeerError(error, false));
  }
}

function hasFeature(link: PeerLink, feature: PeerFeature): boolean {
  return (feature === "meta" ? link.speaksMeta : link.takesForwards) === true;
}
