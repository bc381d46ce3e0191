/**
 * One connection to one server of ZooKeeper, with a session: its login and end, requests whose replies come in their order,
 * pings. It ends when the server is silent. Does not know other servers; whether a request is sent once more is decided
 * elsewhere.
 */

import { concatBytes, EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { HostPort } from "../../base/host_port.ts";
import { INT32_MAX } from "../../base/number_bounds.ts";
import type { Credentials } from "../../net/auth/auth_file.ts";
import type { Connection, Runtime, Timer, TlsClient } from "../../runtime/runtime.ts";
import {
  AUTH_XID,
  answerOf,
  cutPacket,
  decodeReply,
  decodeWatch,
  encodeRequest,
  PING_XID,
  packetBytes,
  type Reply,
  WATCH_XID,
} from "./packets.ts";
import { type Answer, closeSession, type Request } from "./requests.ts";
import {
  decodeSessionGrant,
  encodeLogin,
  encodePing,
  encodeSessionRequest,
  type SessionGrant,
  type SessionRequest,
} from "./session_packets.ts";

/** Where to connect, and as whom. */
export interface LinkOptions {
  readonly server: HostPort;
  readonly tls: TlsClient | undefined;
  readonly credentials: Credentials | undefined;
  readonly session: SessionRequest;
  /** Whether pings keep the session alive while there is no request. */
  readonly pings: boolean;
}

/** What its user hears. */
export interface LinkEvents {
  /** It can be used; `session.id` 0: the session that was asked for has expired, and `onClose` follows. */
  onOpen(session: SessionGrant): void;
  /** A watch has seen a change of this znode. */
  onWatch(path: string): void;
  /** It has ended, and every request without an answer has failed. */
  onClose(error: FlareError): void;
}

/** How long a server may take for the login, and for any request. */
const ANSWER_MS = 2000;
/** How long the end of a session may take. */
const CLOSE_MS = 1000;
/** A ping is sent after this part of the session's time without a request. */
const PINGS_PER_SESSION = 6;

/** A request that was sent. */
interface Sent {
  readonly xid: number;
  readonly sentMs: number;
  /** Takes the reply. */
  readonly settle: (reply: Reply) => void;
  readonly fail: (error: FlareError) => void;
}

export class ZooKeeperLink {
  readonly #runtime: Runtime;
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #connection: Connection;
  readonly #startedMs: number;
  /** Requests without a reply, in their order. */
  readonly #sent: Sent[] = [];
  /** Packets that wait for the connection to drain. */
  #outbox: Uint8Array[] = [];
  #isBlocked = false;
  #received: Uint8Array = EMPTY_BYTES;
  #session: SessionGrant | undefined;
  #lastZxid: bigint;
  #xid = 0;
  /** When the ping without a reply was sent; undefined: there is none. */
  #pingedMs: number | undefined;
  #lastSentMs: number;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(runtime: Runtime, options: LinkOptions, events: LinkEvents) {
    this.#runtime = runtime;
    this.#options = options;
    this.#events = events;
    this.#lastZxid = options.session.lastZxid;
    this.#startedMs = runtime.clock.monotonicMs();
    this.#lastSentMs = this.#startedMs;
    this.#connection = runtime.transport.connect(
      options.server,
      ANSWER_MS,
      {
        onOpen: () => this.#login(),
        onData: (chunk) => this.#onData(chunk),
        onDrain: () => this.#onDrain(),
        onEnd: () => this.#onLost(),
        onClose: (error) => this.#onLost(error),
      },
      { tls: options.tls },
    );
    this.#schedule(ANSWER_MS);
  }

  /** The latest transaction that was seen here or before. */
  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  /** The session that was asked for has expired. */
  get hasExpired(): boolean {
    return this.#session?.id === 0n;
  }

  /** Sends a request; only while it is open. @throws FlareError as `answerOf`, and the reason of the end if it ends first */
  ask<Result>(request: Request<Result>): Promise<Answer<Result>> {
    const xid = this.#nextXid();
    return new Promise((resolve, reject) => {
      this.#sent.push({
        xid,
        sentMs: this.#runtime.clock.monotonicMs(),
        settle: (reply) => {
          try {
            resolve(answerOf(request, reply));
          } catch (error) {
            reject(error);
          }
        },
        fail: reject,
      });
      this.#send(encodeRequest(xid, request));
    });
  }

  /** Ends the session, and then the connection: its ephemeral znodes are gone then, or soon, if the server is silent. */
  async close(): Promise<void> {
    const { clock } = this.#runtime;
    const reason = new FlareError("CLOSED", "the session was closed");
    if (this.#session !== undefined && !this.#isClosed) {
      const timer = clock.setTimer(() => this.#end(reason), CLOSE_MS);
      // Why it did not end in an orderly way does not matter any more.
      await this.ask(closeSession()).catch(() => undefined);
      clock.clearTimer(timer);
    }
    this.#end(reason);
  }

  #nextXid(): number {
    this.#xid = this.#xid === INT32_MAX ? 1 : this.#xid + 1;
    return this.#xid;
  }

  #login(): void {
    this.#send(encodeSessionRequest(this.#options.session));
  }

  #send(packet: Uint8Array): void {
    this.#lastSentMs = this.#runtime.clock.monotonicMs();
    if (this.#isBlocked) this.#outbox.push(packet);
    else this.#isBlocked = !this.#connection.write(packet);
  }

  #onDrain(): void {
    this.#isBlocked = false;
    const packets = this.#outbox;
    this.#outbox = [];
    if (packets.length > 0) this.#isBlocked = !this.#connection.write(concatBytes(packets));
  }

  #onData(chunk: Uint8Array): void {
    this.#received = concatBytes([this.#received, chunk]);
    try {
      while (!this.#isClosed) {
        const packet = cutPacket(this.#received);
        if (packet === undefined) return;
        this.#received = this.#received.subarray(packetBytes(packet));
        this.#onPacket(packet);
      }
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#end(error);
    }
  }

  #onLost(error?: Error): void {
    const text = this.#session === undefined ? "it ended the connection without granting a session" : "it ended the connection";
    this.#end(new FlareError("CONNECTION_FAILED", error?.message ?? text, { retriable: true, cause: error }));
  }

  #onPacket(packet: Uint8Array): void {
    if (this.#session === undefined) return this.#onGranted(decodeSessionGrant(packet));
    const reply = decodeReply(packet);
    // A watch's notice has -1.
    if (reply.zxid > this.#lastZxid) this.#lastZxid = reply.zxid;
    switch (reply.xid) {
      case WATCH_XID:
        return this.#events.onWatch(decodeWatch(reply));
      case PING_XID:
        this.#pingedMs = undefined;
        return;
      case AUTH_XID:
        if (reply.code !== 0) throw new FlareError("REFUSED", `it refused the login of "${this.#options.credentials?.user}"`);
        return;
    }
    const first = this.#sent.shift();
    if (first?.xid !== reply.xid) {
      throw new FlareError("CORRUPT", `it answered request ${reply.xid} instead of ${first?.xid ?? "none"}`);
    }
    first.settle(reply);
  }

  #onGranted(session: SessionGrant): void {
    this.#session = session;
    this.#schedule();
    if (session.id !== 0n) {
      const { credentials } = this.#options;
      if (credentials !== undefined) this.#send(encodeLogin(fromLatin1(`${credentials.user}:${credentials.password}`)));
    }
    this.#events.onOpen(session);
    if (session.id === 0n) this.#end(new FlareError("CONNECTION_FAILED", "the session has expired", { retriable: true }));
  }

  #schedule(delayMs = this.#tickMs): void {
    const { clock } = this.#runtime;
    if (this.#timer !== undefined) clock.clearTimer(this.#timer);
    this.#timer = this.#isClosed ? undefined : clock.setTimer(() => this.#tick(), delayMs);
  }

  get #tickMs(): number {
    return Math.min(ANSWER_MS, (this.#session?.timeoutMs ?? ANSWER_MS) / PINGS_PER_SESSION);
  }

  #tick(): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    const oldestMs = this.#session === undefined ? this.#startedMs : (this.#sent[0]?.sentMs ?? this.#pingedMs);
    const leftMs = oldestMs === undefined ? ANSWER_MS : oldestMs + ANSWER_MS - nowMs;
    if (leftMs <= 0) return this.#end(new FlareError("TIMED_OUT", `no answer in ${ANSWER_MS} ms`, { retriable: true }));
    const isIdle = this.#pingedMs === undefined && nowMs - this.#lastSentMs >= this.#tickMs;
    if (this.#session !== undefined && this.#options.pings && isIdle) {
      this.#pingedMs = nowMs;
      this.#send(encodePing());
    }
    // Not later than the oldest request runs out of time; a younger one has more of it than a tick.
    this.#schedule(Math.min(this.#tickMs, leftMs));
  }

  #end(error: FlareError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#schedule();
    this.#connection.destroy();
    for (const { fail } of this.#sent.splice(0)) fail(error);
    this.#events.onClose(error);
  }
}
