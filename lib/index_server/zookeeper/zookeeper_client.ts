/**
 * A session with ZooKeeper over several servers: it moves to another server when the connection ends, and begins again when it
 * has expired. Requests wait for a connection for a while; one that may have been received is sent again only if it changes
 * nothing. Does not know what is stored.
 */

import { FlareError } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host_port.ts";
import type { Credentials } from "../../net/auth/auth_file.ts";
import type { Runtime, Timer, TlsClient } from "../../runtime/runtime.ts";
import type { Answer, Request } from "./requests.ts";
import { NO_SESSION, type SessionGrant } from "./session_packets.ts";
import { ZooKeeperLink } from "./zookeeper_link.ts";

export interface ZooKeeperServers {
  /** At least one. */
  readonly members: readonly HostPort[];
  /** Absent: plain connections. */
  readonly tls?: TlsClient | undefined;
  /** Absent: no login. */
  readonly credentials?: Credentials | undefined;
}

/** What the owner of a session hears. */
export interface SessionEvents {
  /** There is a connection: what a lost one has not noticed has to be read, and every watch set, once more. */
  onConnect(): void;
  onDisconnect(): void;
  /** A watch has seen a change of this znode. */
  onWatch(path: string): void;
}

/** How a session lives. */
export interface SessionLife {
  /** Without a sign of life for this long ZooKeeper ends it, with its ephemeral znodes; servers may grant another time. */
  readonly timeoutMs: number;
  /** It is kept alive; else only requests do that. */
  readonly isKept: boolean;
}

/** A session that lasts while its process runs. */
const KEPT: SessionLife = { timeoutMs: 10_000, isKept: true };
/** After this many times its time without a connection a session is forgotten here, too. */
const TIMEOUTS_MAX = 2;
/** How long a request waits for a server in any case: long enough for a new leader of ZooKeeper. */
const PATIENCE_MS = 2000;
/** How long a request may take. */
const REQUEST_MS = 8000;
/** Before an attempt to connect, unless there is a server that was not tried. */
const RETRY_MS = 200;

const NONE: SessionGrant = { ...NO_SESSION, timeoutMs: 0 };

interface Waiting {
  readonly request: Request<unknown>;
  readonly sinceMs: number;
  /** Attempts to connect that have failed before it. */
  readonly failuresBefore: number;
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: unknown) => void;
  timer: Timer | undefined;
  /** It may have been received. */
  isSent: boolean;
}

export class ZooKeeperClient {
  readonly #runtime: Runtime;
  readonly #servers: ZooKeeperServers;
  readonly #events: SessionEvents;
  readonly #life: SessionLife;
  /** Requests without an answer, in their order. */
  readonly #waiting = new Set<Waiting>();
  #link: ZooKeeperLink | undefined;
  #isOpen = false;
  #session: SessionGrant = NONE;
  #lastZxid = 0n;
  /** Since when there has been no connection. */
  #lostMs: number;
  /** The server that is tried, or in use. */
  #current: number;
  #failures = 0;
  /** Why each server did not serve, last. */
  readonly #problems = new Map<string, string>();
  #retryTimer: Timer | undefined;
  #isClosed = false;

  constructor(runtime: Runtime, servers: ZooKeeperServers, events: SessionEvents, life: SessionLife = KEPT) {
    this.#runtime = runtime;
    this.#life = life;
    this.#servers = servers;
    this.#events = events;
    this.#lostMs = runtime.clock.monotonicMs();
    // Not all clients to the first server.
    this.#current = runtime.random.uint32() % servers.members.length;
  }

  /** The session; its id is 0n before there is one. */
  get session(): SessionGrant {
    return this.#session;
  }

  /**
   * Sends a request; requests are executed in the order of these calls, as long as no connection ends.
   * @throws FlareError CONNECTION_FAILED: nothing was changed | IN_DOUBT: it may have been | REFUSED | DISK_FULL | CLOSED
   */
  ask<Result>(request: Request<Result>): Promise<Answer<Result>> {
    return new Promise<Answer<Result>>((resolve, reject) => {
      if (this.#isClosed) return reject(new FlareError("CLOSED", "the connection to ZooKeeper was closed"));
      const waiting: Waiting = {
        request,
        sinceMs: this.#runtime.clock.monotonicMs(),
        failuresBefore: this.#failures,
        resolve: resolve as (answer: Answer<unknown>) => void,
        reject,
        timer: undefined,
        isSent: false,
      };
      waiting.timer = this.#runtime.clock.setTimer(() => this.#giveUp(waiting, `no answer in ${REQUEST_MS} ms`), REQUEST_MS);
      this.#waiting.add(waiting);
      if (this.#isOpen) this.#send(this.#link as ZooKeeperLink, waiting);
      else this.#connect();
    });
  }

  /** Ends the session, with its ephemeral znodes. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#retryTimer !== undefined) this.#runtime.clock.clearTimer(this.#retryTimer);
    for (const waiting of [...this.#waiting]) this.#giveUp(waiting, "the connection was closed");
    await this.#link?.close();
  }

  /** Opens a connection unless there is one, or one is being opened or due. */
  #connect(): void {
    if (this.#isClosed || this.#link !== undefined || this.#retryTimer !== undefined) return;
    const { members, tls, credentials } = this.#servers;
    const { timeoutMs, isKept } = this.#life;
    const server = members[this.#current] as HostPort;
    if (this.#runtime.clock.monotonicMs() - this.#lostMs >= TIMEOUTS_MAX * this.#session.timeoutMs) {
      // It has expired, or there is none. Servers that were restored from a backup would refuse it for what it has seen.
      this.#session = NONE;
      this.#lastZxid = 0n;
    }
    const session = { ...this.#session, timeoutMs, lastZxid: this.#lastZxid };
    const link = new ZooKeeperLink(
      this.#runtime,
      { server, tls, credentials, session, pings: isKept },
      {
        onOpen: (granted) => this.#onOpen(link, granted),
        onWatch: (path) => this.#events.onWatch(path),
        onClose: (error) => this.#onClose(link, formatHostPort(server.host, server.port), error),
      },
    );
    this.#link = link;
  }

  #onOpen(link: ZooKeeperLink, session: SessionGrant): void {
    if (session.id === 0n) {
      this.#session = NONE;
      return;
    }
    this.#session = session;
    this.#isOpen = true;
    this.#problems.clear();
    for (const waiting of [...this.#waiting]) this.#send(link, waiting);
    this.#events.onConnect();
  }

  #onClose(link: ZooKeeperLink, server: string, error: FlareError): void {
    const wasOpen = this.#isOpen;
    this.#lastZxid = link.lastZxid;
    this.#link = undefined;
    this.#isOpen = false;
    if (this.#isClosed) return;
    this.#problems.set(server, error.message);
    if (wasOpen) {
      this.#lostMs = this.#runtime.clock.monotonicMs();
      this.#events.onDisconnect();
    } else if (!link.hasExpired) this.#failures++;
    // The server that says so is as good as any for another session.
    if (!link.hasExpired) this.#current = (this.#current + 1) % this.#servers.members.length;
    const isRoundDone = !wasOpen && !link.hasExpired && this.#failures % this.#servers.members.length === 0;
    if (isRoundDone) this.#loseHope();
    if (!this.#life.isKept && this.#waiting.size === 0) return;
    this.#retryTimer = this.#runtime.clock.setTimer(
      () => {
        this.#retryTimer = undefined;
        this.#connect();
      },
      wasOpen || isRoundDone ? RETRY_MS : 0,
    );
  }

  /** Gives up what has waited long enough while every server was tried. */
  #loseHope(): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    for (const waiting of [...this.#waiting]) {
      const hasTriedAll = this.#failures - waiting.failuresBefore >= this.#servers.members.length;
      if (hasTriedAll && nowMs - waiting.sinceMs >= PATIENCE_MS) this.#giveUp(waiting, "no server answers");
    }
  }

  #send(link: ZooKeeperLink, waiting: Waiting): void {
    waiting.isSent = true;
    link.ask(waiting.request).then(
      (answer) => {
        this.#settle(waiting);
        waiting.resolve(answer);
      },
      (error: unknown) => {
        if (!this.#waiting.has(waiting)) return;
        if (link === this.#link || !(error instanceof FlareError)) {
          this.#settle(waiting);
          waiting.reject(error);
        } else if (waiting.request.changes) this.#giveUp(waiting, "no answer");
        // Everything else waits for the next connection.
      },
    );
  }

  #giveUp(waiting: Waiting, reason: string): void {
    if (!this.#waiting.has(waiting)) return;
    this.#settle(waiting);
    const problems = [...this.#problems].map(([server, problem]) => `"${server}": ${problem}`);
    const text = `ZooKeeper: ${[reason, ...problems].join(", ")}`;
    const code = waiting.isSent && waiting.request.changes ? "IN_DOUBT" : "CONNECTION_FAILED";
    waiting.reject(new FlareError(code, text, { retriable: true }));
  }

  #settle(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (waiting.timer !== undefined) this.#runtime.clock.clearTimer(waiting.timer);
  }
}
