/**
 * One TCP connection to another node, from connect to close: matches replies to requests in order. When it breaks, its owner
 * gets the unanswered requests back, which may have been executed. A reply that does not come in time breaks it, too, so that
 * no reply can ever shift to another request. A probe on another connection tells a busy node from one that is gone, and from a
 * connection whose packets are lost.
 */

import { concatBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { nodeKey } from "../../cluster/node.ts";
import { LANE_IDLE, LANE_OK, type LaneLines, meetLine, strangerOf } from "../../protocol/lane_request.ts";
import { type ClientReply, MALFORMED, ReplyParser, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../../runtime/runtime.ts";
import type { TlsLink } from "../tls/tls_link.ts";
import { firstLine, PING } from "./presence.ts";

/** The timeouts and limits of a lane to another server. */
export interface PeerOptions {
  readonly connectTimeoutMs: number;
  /** How long the other side may send nothing while a reply is due. */
  readonly replyTimeoutMs: number;
  /**
   * Detects a silent server within this time: after half of it without a byte the server is probed on another connection, and
   * has the other half to answer. A node of our own cluster is asked there whether it works on what was sent here; if it does
   * not, twice in a row, this connection has failed. Idle connections are probed from time to time, too. Absent: only
   * `replyTimeoutMs` applies, without probes.
   */
  readonly silenceTimeoutMs?: number;
  /** Limit of unsent bytes; more is refused with LIMIT_EXCEEDED. */
  readonly queueBytesMax: number;
  readonly replyBytesMax: number;
  /** The other side must be the node with this host and port in the node map; a lane with a name says so anyway. */
  readonly meets?: true;
  /** Absent: plain connections. */
  readonly tls?: TlsLink | undefined;
}

/** What we tell a node of our own cluster about ourselves. */
export interface Introduction {
  readonly nodeKey: string;
  /** The `forward` line of now, the same bytes until it changes. */
  forwardLine(): Uint8Array;
}

/** A request that nothing but its caller concerns. */
export function requestFor(
  bytes: Uint8Array,
  shape: ReplyShape | undefined,
  resolve: (reply: ClientReply) => void,
  reject: (error: PeerError) => void,
  queuedMs: number,
): PendingRequest {
  const answer = (found: FoundReply): void => resolve(found.reply());
  return { bytes, start: 0, end: bytes.length, shape, answer, reject, queuedMs, needs: undefined };
}

/** The bytes of some requests; of those that lie one behind the other in a buffer without a copy. */
function joined(requests: readonly PendingRequest[]): Uint8Array {
  const [first] = requests;
  const last = requests.at(-1);
  if (first === undefined || last === undefined) return EMPTY_BYTES;
  const isInRow = requests.every(({ bytes, start }, i) => bytes === first.bytes && (i === 0 || start === requests[i - 1]?.end));
  if (isInRow) return first.bytes.subarray(first.start, last.end);
  return concatBytes(requests.map(({ bytes, start, end }) => bytes.subarray(start, end)));
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

/** A request and its waiting caller. */
export interface PendingRequest {
  /** The request is `bytes[start, end)`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Undefined: no reply will come (`noreply`). */
  readonly shape: ReplyShape | undefined;
  /** Gets the reply, which is valid during the call. */
  readonly answer: (found: FoundReply) => void;
  readonly reject: (error: PeerError) => void;
  readonly queuedMs: number;
  /** What a node must have to get it: others would take a value for commands, or a client's write for a copy. */
  readonly needs: PeerFeature | undefined;
  /** Present: repeatable, so it is sent again when its connection breaks. */
  readonly repeats?: Repeats | undefined;
  /** Present: this is the plain form of that request. */
  readonly whole?: PendingRequest;
}

/** A reply as it came: `bytes[start, end)`, with its only or last line at `lineStart`. */
export type FoundReply = Pick<ReplyParser, "bytes" | "end" | "lineEnd" | "lineStart" | "reply" | "start">;

/** The meta commands, or `forward`. */
export type PeerFeature = "meta" | "forward";

/** A request, and what its reply looks like; undefined = there is none. */
export interface RequestForm {
  readonly bytes: Uint8Array;
  readonly shape: ReplyShape | undefined;
}

/** A repeatable request: executing it twice is harmless. */
export interface Repeats {
  /** What a node gets that lacks what the request needs; undefined = the request fails there. */
  readonly plain: RequestForm | undefined;
  /** Called if the answer may take long because the node cannot be reached now; perhaps more than once. */
  readonly onDelayed: () => void;
  /** Connections that the other side closed without answering it. */
  losses: number;
}

/** What a server at its connection limit sends to a new connection, before it has read anything. */
const TURNED_AWAY = "ERROR Too many open connections";
/** The answer to a request without one. */
const NO_REPLY: FoundReply = {
  bytes: EMPTY_BYTES,
  start: 0,
  end: 0,
  lineStart: 0,
  lineEnd: 0,
  reply: () => ({ line: "", body: EMPTY_BYTES }),
};
/** A connection that was idle for this many times `silenceTimeoutMs` is probed. */
const IDLE_SILENCES = 2;

/** The lane of a connection. */
export interface LinkOwner {
  onReady(): void;
  /** Every request sent so far is answered. */
  onIdle(): void;
  /** The connection has ended; `unread`: the other side read nothing of what was sent. */
  onGone(link: PeerLink, error: FlareError, unanswered: readonly PendingRequest[], unread: boolean): void;
}

/** One connection; its lane opens another one when it is gone. */
export class PeerLink implements ConnectionHandler {
  readonly outstanding: PendingRequest[] = [];
  open = false;
  /** Whether the other side has the meta commands; undefined = not asked. */
  speaksMeta: boolean | undefined;
  /** Whether it takes requests as forwarded by us; undefined = not asked. */
  takesForwards: boolean | undefined;
  /** The `forward` line sent last. */
  announced: Uint8Array | undefined;
  readonly #runtime: Runtime;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #options: PeerOptions;
  readonly #owner: LinkOwner;
  readonly #connection: Connection;
  readonly #parser: ReplyParser;
  readonly #name: string;
  #blocked = false;
  #failed = false;
  #welcome = false;
  /** When the other side gave the last sign of life here, or nothing was due. */
  #heardMs: number;
  /** When it last answered a probe on another connection. */
  #thereMs = Number.NEGATIVE_INFINITY;
  #asking = false;
  #timer: Timer | undefined;
  readonly #lane: LaneLines | undefined;
  /** What is asked on another connection. */
  #probe = PING;
  /** The other side has said that it works on nothing that was sent here, when the last sign of life here was this one. */
  #idleSinceMs: number | undefined;

  /** @param lane absent: the other side is no node of our cluster */
  constructor(
    runtime: Runtime,
    address: { host: string; port: number },
    options: PeerOptions,
    owner: LinkOwner,
    lane?: LaneLines,
  ) {
    this.#runtime = runtime;
    this.#address = address;
    this.#options = options;
    this.#owner = owner;
    this.#name = formatHostPort(address.host, address.port);
    this.#parser = new ReplyParser(options.replyBytesMax);
    this.#heardMs = runtime.clock.monotonicMs();
    this.#lane = lane ?? (options.meets && { open: meetLine(nodeKey(address.host, address.port)) });
    this.#connection = runtime.transport.connect(address, options.connectTimeoutMs, this, {
      tls: options.tls?.client,
    });
  }

  get writable(): boolean {
    return this.open && !this.#blocked && !this.#failed;
  }

  send(requests: readonly PendingRequest[]): void {
    if (!this.#isDue) this.#heardMs = this.#runtime.clock.monotonicMs();
    if (!this.#connection.write(joined(requests))) this.#blocked = true;
    for (const request of requests) {
      if (request.shape === undefined) request.answer(NO_REPLY);
      else this.outstanding.push(request);
    }
    if (this.#timer === undefined) this.#watch();
  }

  /** Closes the connection; the owner gets the unanswered requests. */
  fail(error: FlareError, unread = false): void {
    if (this.#failed) return;
    this.#failed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    // A request must not arrive long after it was given up.
    this.#connection.destroy(error.code === "TIMED_OUT");
    this.#owner.onGone(this, error, this.outstanding.splice(0), unread);
  }

  onOpen(): void {
    this.open = true;
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#watch();
    this.#introduce();
    this.#owner.onReady();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#owner.onReady();
  }

  onData(chunk: Uint8Array): void {
    this.#heardMs = this.#runtime.clock.monotonicMs();
    const parser = this.#parser;
    parser.push(chunk);
    while (this.outstanding.length > 0) {
      const pending = this.outstanding[0] as PendingRequest;
      const found = parser.find(pending.shape as ReplyShape);
      if (found === undefined) return;
      if (found === MALFORMED) return this.fail(new FlareError("CONNECTION_FAILED", `malformed reply from "${this.#name}"`));
      if (!this.#welcome && parser.reply().line === TURNED_AWAY) return this.#turnedAway();
      this.#welcome = true;
      this.outstanding.shift();
      pending.answer(parser);
    }
    // An answer to a noreply request (an error that the other side sends anyway) cannot be told from the next reply.
    if (parser.heldBytes > 0) return this.fail(new FlareError("CONNECTION_FAILED", `unexpected reply from "${this.#name}"`));
    parser.release();
    this.#owner.onIdle();
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

  /** From now on the node can be asked about this connection, if it knows `lane`, and is the one that is meant. */
  #introduce(): void {
    const lane = this.#lane;
    if (lane === undefined) return;
    const answer = ({ line }: ClientReply): void => {
      if (line === LANE_OK) this.#probe = lane.ask ?? PING;
      const stranger = strangerOf(line);
      if (stranger !== undefined) this.#isMisled(stranger);
    };
    this.send([requestFor(lane.open, ReplyShape.line, answer, () => undefined, this.#runtime.clock.monotonicMs())]);
  }

  /** Another node has the address of ours, or a name is not up to date. */
  #isMisled(stranger: string): void {
    this.#runtime.transport.doubt?.(this.#address.host);
    const text = `at the address of "${this.#name}" is "${stranger}"`;
    this.fail(new FlareError("CONNECTION_FAILED", text, { retriable: true }));
  }

  #turnedAway(): void {
    const text = `"${this.#name}" accepts no more connections`;
    this.fail(new FlareError("CONNECTION_FAILED", text, { retriable: true }), true);
  }

  /** Whether a sign of life is due from the other side: an answer, or room for more. */
  get #isDue(): boolean {
    return this.outstanding.length > 0 || this.#blocked;
  }

  /** Schedules the next check. */
  #watch(): void {
    const delayMs = this.#delayMs();
    if (delayMs === undefined || this.#failed) return;
    const { clock } = this.#runtime;
    this.#timer = clock.setTimer(
      () => {
        this.#timer = undefined;
        this.#look();
        if (this.#timer === undefined) this.#watch();
      },
      Math.max(1, delayMs),
    );
  }

  /** The time until the next check; undefined = when something is sent. */
  #delayMs(): number | undefined {
    const { replyTimeoutMs, silenceTimeoutMs } = this.#options;
    const sinceMs = this.#heardMs - this.#runtime.clock.monotonicMs();
    if (silenceTimeoutMs === undefined) return this.#isDue ? sinceMs + replyTimeoutMs : undefined;
    // Half of it at most, so that a request sent in between needs no other timer.
    if (!this.#isDue) return Math.min(sinceMs + silenceTimeoutMs * IDLE_SILENCES, silenceTimeoutMs / 2);
    const leftMs = sinceMs + this.#patienceMs;
    if (this.#asking) return leftMs;
    return Math.min(leftMs, Math.max(sinceMs, this.#thereMs - this.#runtime.clock.monotonicMs()) + silenceTimeoutMs / 2);
  }

  /** How long the other side may be silent here, whatever it answers elsewhere. */
  get #patienceMs(): number {
    const { replyTimeoutMs, silenceTimeoutMs } = this.#options;
    // No request is ahead of the first line, or of a probe on an idle connection: no answer means that this connection is dead.
    const bytes = this.outstanding[0]?.bytes;
    const isQuestion = bytes === PING || (bytes !== undefined && bytes === this.#lane?.open);
    return silenceTimeoutMs !== undefined && isQuestion ? Math.min(silenceTimeoutMs, replyTimeoutMs) : replyTimeoutMs;
  }

  #look(): void {
    const { silenceTimeoutMs } = this.#options;
    const nowMs = this.#runtime.clock.monotonicMs();
    const silentMs = nowMs - this.#heardMs;
    if (!this.#isDue) {
      if (silenceTimeoutMs !== undefined && silentMs >= silenceTimeoutMs * IDLE_SILENCES) this.#tryOut();
    } else if (silentMs >= this.#patienceMs) this.#giveUp();
    else if (silenceTimeoutMs !== undefined && !this.#asking) {
      const lastSignMs = Math.max(this.#heardMs, this.#thereMs);
      if (nowMs - lastSignMs >= silenceTimeoutMs / 2) void this.#askElsewhere(silenceTimeoutMs / 2);
    }
  }

  /** Probes an idle connection: some network devices silently drop those. */
  #tryOut(): void {
    const nobody = (): void => undefined;
    this.send([requestFor(PING, ReplyShape.line, nobody, nobody, this.#runtime.clock.monotonicMs())]);
  }

  async #askElsewhere(timeoutMs: number): Promise<void> {
    this.#asking = true;
    const heardMs = this.#heardMs;
    const line = await firstLine(this.#runtime, this.#address, this.#probe, timeoutMs, this.#options.tls);
    this.#asking = false;
    if (this.#failed) return;
    this.#thereMs = this.#runtime.clock.monotonicMs();
    if (this.#heardMs === heardMs && this.#isDue) {
      // The first time its answer may be on its way.
      if (line === undefined || (line === LANE_IDLE && this.#idleSinceMs === heardMs)) return this.#giveUp();
      this.#idleSinceMs = line === LANE_IDLE ? heardMs : undefined;
    }
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#watch();
  }

  #giveUp(): void {
    const silentMs = Math.round(this.#runtime.clock.monotonicMs() - this.#heardMs);
    this.fail(new FlareError("TIMED_OUT", `"${this.#name}" was silent for ${silentMs} ms`, { retriable: true }));
  }
}
