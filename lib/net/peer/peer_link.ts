/**
 * One TCP connection to another node, from connecting to its end: replies are matched to requests in order. When it breaks,
 * its owner gets back what is not answered, which may have been executed; a reply that does not come in time breaks it
 * too, so that no reply can ever shift onto another request. A node that is busy is told from one that is gone without a
 * word by asking on another connection whether it is there.
 */

import { concatBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { type ClientReply, MALFORMED, ReplyParser, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../../runtime/runtime.ts";
import type { TlsLink } from "../tls/tls_link.ts";
import { isThere, PING } from "./presence.ts";

/** How long a lane to another server waits for what, and how much it holds. */
export interface PeerOptions {
  readonly connectTimeoutMs: number;
  /** How long the other side may send nothing at all while a reply is due. */
  readonly replyTimeoutMs: number;
  /**
   * Within this time a server that is gone without a word is found out: after half of it without a byte it is asked on
   * another connection whether it is there, and has the other half to answer. Connections without requests are asked from
   * time to time, too. Absent: only `replyTimeoutMs` counts, and no questions are asked.
   */
  readonly silenceTimeoutMs?: number;
  /** Bytes that may wait to be sent; more is refused with LIMIT_EXCEEDED. */
  readonly queueBytesMax: number;
  readonly replyBytesMax: number;
  /** Absent: connections are plain. */
  readonly tls?: TlsLink | undefined;
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
  /** Present: may be carried out twice, so it is sent again when its connection breaks. */
  readonly repeats?: Repeats | undefined;
}

/** A request that may be carried out twice. */
export interface Repeats {
  /** Called when the answer may take long because the node cannot be reached now; perhaps more than once. */
  readonly onDelayed: () => void;
  /** Connections that the other side ended with it unanswered. */
  losses: number;
}

/** What a server that has as many connections as it may says to a new one, before it has read anything. */
const TURNED_AWAY = "ERROR Too many open connections";
const NO_REPLY: ClientReply = { line: "", body: EMPTY_BYTES };
/** A connection that was not used for so many times `silenceTimeoutMs` is tried out. */
const IDLE_SILENCES = 2;

/** What the lane hears of its connection. */
export interface LinkOwner {
  onReady(): void;
  /** Every request sent so far is answered. */
  onIdle(): void;
  /** The connection has ended; `unread`: nothing of what was sent was even looked at. */
  onGone(link: PeerLink, error: FlareError, unanswered: readonly PendingRequest[], unread: boolean): void;
}

/** One connection; its lane opens another one when it has gone. */
export class PeerLink implements ConnectionHandler {
  readonly outstanding: PendingRequest[] = [];
  open = false;
  /** Whether the other side knows the meta commands, as far as it was asked. */
  speaksMeta: boolean | undefined;
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
  /** When the other side gave the last sign of life here, or nothing was due from it. */
  #heardMs: number;
  /** When it last said on another connection that it is there. */
  #thereMs = Number.NEGATIVE_INFINITY;
  #asking = false;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, address: { host: string; port: number }, options: PeerOptions, owner: LinkOwner) {
    this.#runtime = runtime;
    this.#address = address;
    this.#options = options;
    this.#owner = owner;
    this.#name = formatHostPort(address.host, address.port);
    this.#parser = new ReplyParser(options.replyBytesMax);
    this.#heardMs = runtime.clock.monotonicMs();
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
    if (!this.#isDue) this.#heardMs = this.#runtime.clock.monotonicMs();
    if (!this.#connection.write(bytes)) this.#blocked = true;
    for (const request of requests) {
      if (request.shape === undefined) request.resolve(NO_REPLY);
      else this.outstanding.push(request);
    }
    if (this.#timer === undefined) this.#watch();
  }

  /** Ends the connection; the owner gets what is not answered. */
  fail(error: FlareError, unread = false): void {
    if (this.#failed) return;
    this.#failed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    // Nobody must be surprised by a request that arrives long after it was given up.
    this.#connection.destroy(error.code === "TIMED_OUT");
    this.#owner.onGone(this, error, this.outstanding.splice(0), unread);
  }

  onOpen(): void {
    this.open = true;
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#watch();
    this.#owner.onReady();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#owner.onReady();
  }

  onData(chunk: Uint8Array): void {
    this.#heardMs = this.#runtime.clock.monotonicMs();
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

  /** Whether the other side has to give a sign of life: an answer, or room for more. */
  get #isDue(): boolean {
    return this.outstanding.length > 0 || this.#blocked;
  }

  /** Looks again when something may have to be done. */
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

  /** How long nothing has to be done; undefined = until something is sent. */
  #delayMs(): number | undefined {
    const { replyTimeoutMs, silenceTimeoutMs } = this.#options;
    const sinceMs = this.#heardMs - this.#runtime.clock.monotonicMs();
    if (silenceTimeoutMs === undefined) return this.#isDue ? sinceMs + replyTimeoutMs : undefined;
    // Half of it at most: what is sent meanwhile needs no other timer.
    if (!this.#isDue) return Math.min(sinceMs + silenceTimeoutMs * IDLE_SILENCES, silenceTimeoutMs / 2);
    const leftMs = sinceMs + this.#patienceMs;
    if (this.#asking) return leftMs;
    return Math.min(leftMs, Math.max(sinceMs, this.#thereMs - this.#runtime.clock.monotonicMs()) + silenceTimeoutMs / 2);
  }

  /** How long the other side may be silent here, whatever it says elsewhere. */
  get #patienceMs(): number {
    const { replyTimeoutMs, silenceTimeoutMs } = this.#options;
    // Nothing stands before a question on a connection without requests: no answer means that this connection is dead.
    const isQuestion = this.outstanding[0]?.bytes === PING;
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

  /** Whether an unused connection still is one: some network elements forget those without a word. */
  #tryOut(): void {
    const nobody = (): void => undefined;
    const queuedMs = this.#runtime.clock.monotonicMs();
    this.send([{ bytes: PING, shape: ReplyShape.line, resolve: nobody, reject: nobody, queuedMs, isMeta: false }]);
  }

  async #askElsewhere(timeoutMs: number): Promise<void> {
    this.#asking = true;
    const heardMs = this.#heardMs;
    const there = await isThere(this.#runtime, this.#address, timeoutMs, this.#options.tls);
    this.#asking = false;
    if (this.#failed) return;
    this.#thereMs = this.#runtime.clock.monotonicMs();
    if (!there && this.#heardMs === heardMs && this.#isDue) return this.#giveUp();
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#watch();
  }

  #giveUp(): void {
    const silentMs = Math.round(this.#runtime.clock.monotonicMs() - this.#heardMs);
    this.fail(new FlareError("TIMED_OUT", `"${this.#name}" was silent for ${silentMs} ms`, { retriable: true }));
  }
}
