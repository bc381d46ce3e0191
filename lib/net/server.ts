/**
 * Accepts connections and manages their sessions: their number, their timeouts, and their end when the server stops. Both
 * daemons use it; the handler knows the commands.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";
import { formatHostPort } from "../base/host_port.ts";
import { PacedLog } from "../base/paced_log.ts";
import { BufferPool } from "../protocol/buffer_pool.ts";
import type { Address, Connection, ConnectionHandler, Listener, Runtime, Timer, TlsServer } from "../runtime/runtime.ts";
import type { Access } from "./auth/access.ts";
import type { AccessOptions } from "./auth/access_options.ts";
import { RequestTimes } from "./connection/request_times.ts";
import { Session, type SessionHost } from "./connection/session.ts";
import type {
  Guest,
  GuestHost,
  ListenerTraits,
  RawListener,
  RequestHandler,
  SessionLimits,
  Traffic,
} from "./connection/session_host.ts";
import { type SlowLimits, SlowRequests } from "./connection/slow_requests.ts";
import { WaitingConnection, type WaitingConnectionOwner } from "./connection/waiting_connection.ts";
import { connectionsThatFit } from "./descriptor_budget.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "./worker.ts";

export interface ServerOptions {
  /** Limit of client connections; more get an error and are closed. Lower if the process may not open that many. */
  readonly maxConnections: number;
  /** Servers that share the descriptors of the process, including this one; default 1. */
  readonly serversInProcess?: number;
  /** A connection idle for this long is closed; 0 = never. */
  readonly idleTimeoutMs: number;
  /** Limit of the bytes of incomplete requests, all connections together. */
  readonly requestMemoryBytesMax: number;
  /** Length of the kernel's queue of connections. */
  readonly backlog: number;
  readonly limits: SessionLimits;
  /** The access rules. */
  readonly access: Access;
  /** Which requests are slow; absent = nobody wants to know. */
  readonly slow?: SlowLimits;
}

const TOO_MANY = fromLatin1("ERROR Too many open connections\r\n");
const NOT_OPEN = new Uint8Array(0);
/** How many connections at a time get the error for too many connections; further ones are closed without an answer. */
const REJECTED_MAX = 16;
const SWEEP_MS = 1000;
/** How long the client of a closing connection may leave its last replies unread, plus a second … */
const LAST_REPLIES_MS = 30000;
/** … for each this many bytes. */
const LAST_REPLIES_PACE_BYTES = 65536;
/** How long a request waits for the server to open. */
const OPENING_MS = 5000;
/** Failed handshakes and HTTP requests are logged at most once in this time, in milliseconds. */
const REFUSAL_LOG_MS = 10000;

export class Server implements SessionHost, WaitingConnectionOwner {
  readonly limits: SessionLimits;
  readonly access: Access;
  readonly requestMemory: { usedBytes: number; bytesMax: number };
  readonly buffers = new BufferPool();
  readonly times = new RequestTimes();
  readonly slow: SlowRequests | undefined;
  /** How late the check of the connections begins, which is due once a second: that long the event loop was busy. */
  readonly loopDelays = new Histogram();
  readonly traffic: Traffic = { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 };
  rawListener: RawListener | undefined = undefined;
  /** Called when a connection opens, and again when it is gone. */
  connectionListener: ((session: Session, isOpen: boolean) => void) | undefined = undefined;
  /** Connections accepted since the start. */
  totalConnections = 0;
  /** Connections refused at the limit. */
  rejectedConnections = 0;
  /** TLS handshakes that failed. */
  handshakeErrors = 0;
  /** Connections closed because they spoke HTTP. */
  httpRequests = 0;
  /** When the certificates in use were read, by the monotonic clock; undefined = nothing listens with TLS. */
  certificatesReadMs: number | undefined;
  /** The effective limit of connections. */
  maxConnections = 0;
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #sessions = new Set<Session>();
  #settling: Session[] = [];
  /** Connections in their TLS handshake. */
  readonly #opening = new Set<Session>();
  /** Connections that wait for `open`, and the function that then creates their session. */
  readonly #waiting = new Map<WaitingConnection, () => Session>();
  /** Connections of other protocols. */
  readonly #guests = new Set<Guest>();
  /** The node that will open soon, `host:port`; undefined = none will. */
  #expected: string | undefined;
  readonly #listeners: { readonly id: number; readonly listener: Listener }[] = [];
  readonly #secureListeners = new Set<Listener>();
  #options: ServerOptions;
  #handler: RequestHandler | undefined;
  /** Called when the last connection is gone. */
  #emptied: (() => void) | undefined;
  #sweepTimer: Timer | undefined;
  readonly #rejected = new Set<RejectedConnection>();
  /** A connection was refused since the last check. */
  #rejectedLately = false;
  /** The number refused before the current shortage; undefined = there is none. */
  #rejectedBefore: number | undefined;
  readonly #handshakeLog: PacedLog;
  readonly #httpLog: PacedLog;

  constructor(runtime: Runtime, workers: WorkerRegistry, options: ServerOptions) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#options = options;
    this.#handshakeLog = new PacedLog(runtime, "notice", REFUSAL_LOG_MS);
    this.#httpLog = new PacedLog(runtime, "warning", REFUSAL_LOG_MS);
    this.slow = options.slow === undefined ? undefined : new SlowRequests(runtime, options.slow);
    this.limits = options.limits;
    this.access = options.access;
    workers.add(new Alarm(workers.nextId(), runtime.clock.monotonicMs()));
    this.requestMemory = { usedBytes: 0, bytesMax: options.requestMemoryBytesMax };
    this.#limitConnections();
  }

  /** @throws FlareError CLOSED before `open` */
  get handler(): RequestHandler {
    if (this.#handler === undefined) throw new FlareError("CLOSED", "server is not open yet");
    return this.#handler;
  }

  /** Open connections, including those in their TLS handshake, those that wait for the server to open, and HTTP. */
  get connections(): number {
    return this.#sessions.size + this.#opening.size + this.#waiting.size + this.#guests.size;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** The listeners with their ids, as `stats conns` shows them. */
  get listeners(): { readonly id: number; readonly address: string }[] {
    return this.#listeners.map(({ id, listener }) => ({ id, address: addressName(listener.address) }));
  }

  /** Applies new values of reloadable options: the connection limit, the idle timeout, what is slow, the access rules. */
  async reload(
    options: Pick<ServerOptions, "maxConnections" | "idleTimeoutMs" | "slow"> & { access: AccessOptions },
  ): Promise<void> {
    const { access, ...own } = options;
    this.#options = { ...this.#options, ...own };
    if (this.slow !== undefined && own.slow !== undefined) this.slow.limits = own.slow;
    this.#limitConnections();
    await this.access.reload(access);
    for (const session of this.#sessions) session.admit();
  }

  /** The node that will open soon: from now on connections are kept, and their requests wait for it. */
  expect(nodeKey: string): void {
    this.#expected = nodeKey;
  }

  /** The `host:port` of that node. */
  get nodeKey(): string {
    return this.#expected ?? "";
  }

  /** From now on connections are served, waiting ones first. */
  open(handler: RequestHandler): void {
    this.#handler = handler;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [connection, begin] of waiting) connection.serve(begin());
  }

  /**
   * Binds the address; until `expect` or `open` connections are closed at once.
   * @throws FlareError ADDRESS_IN_USE | IO_ERROR, INVALID_OPTION for unusable certificates
   */
  async listen(address: Address, traits: ListenerTraits = {}): Promise<Address> {
    let name = addressName(address);
    const listener = await this.#runtime.transport.listen(address, (connection) => this.#accept(connection, name, traits), {
      backlog: this.#options.backlog,
      ...(traits.tls === undefined ? {} : { tls: traits.tls }),
    });
    name = addressName(listener.address);
    this.#listeners.push({ id: this.#workers.nextId(), listener });
    if (traits.tls !== undefined) {
      this.#secureListeners.add(listener);
      this.certificatesReadMs ??= this.monotonicMs();
    }
    if (this.#sweepTimer === undefined) this.#scheduleSweep();
    return listener.address;
  }

  /** Uses new certificates for connections from now on. @throws FlareError INVALID_OPTION: the old ones stay */
  renewTls(tls: TlsServer): void {
    for (const listener of this.#secureListeners) listener.renew(tls);
    if (this.#secureListeners.size > 0) this.certificatesReadMs = this.monotonicMs();
  }

  /** Accepts no more connections; open ones stay. */
  async stopListening(): Promise<void> {
    for (const { listener } of this.#listeners.splice(0)) await listener.close();
  }

  /** Stops: no new connections, received requests are answered for up to `graceMs`, then everything closes. */
  async stop(graceMs: number): Promise<void> {
    await this.stopListening();
    if (this.#sweepTimer !== undefined) this.#runtime.clock.clearTimer(this.#sweepTimer);
    this.#sweepTimer = undefined;
    for (const waiting of this.#waiting.keys()) waiting.kill();
    for (const session of [...this.#opening]) session.kill();
    for (const guest of [...this.#guests]) guest.drain();
    for (const session of [...this.#sessions]) {
      session.closeReason = "shutdown";
      session.drain();
    }
    if (this.connections === 0) return;
    const { clock } = this.#runtime;
    await new Promise<void>((resolve) => {
      // Under Deno a connection that does not read does not keep the process alive, which would then exit in the middle of
      // this.
      const timer = clock.setTimer(resolve, graceMs, true);
      this.#emptied = () => {
        clock.clearTimer(timer);
        resolve();
      };
    });
    for (const session of [...this.#sessions]) session.kill();
    for (const guest of [...this.#guests]) guest.kill();
  }

  monotonicMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  opened(session: Session): void {
    this.#opening.delete(session);
    this.#sessions.add(session);
    this.#workers.add(session);
    this.connectionListener?.(session, true);
  }

  closed(session: Session, error?: Error): void {
    if (this.#opening.delete(session)) {
      if (error !== undefined) this.#handshakeFailed(error);
    } else {
      this.#sessions.delete(session);
      this.#workers.remove(session);
      this.connectionListener?.(session, false);
    }
    if (this.connections === 0) this.#emptied?.();
  }

  refusedHttp(peer: string): void {
    this.httpRequests++;
    this.#httpLog.write(
      `"${peer}" spoke HTTP and was disconnected: a web page may be trying to reach this port through a browser`,
    );
  }

  audit(line: string): void {
    this.#runtime.log.write("notice", line);
  }

  left(waiting: WaitingConnection, error?: Error): void {
    this.#waiting.delete(waiting);
    // A connection that is not open yet can fail in no other way.
    if (error !== undefined && !waiting.isOpen) this.#handshakeFailed(error);
    if (this.connections === 0) this.#emptied?.();
  }

  settleSoon(session: Session): void {
    if (this.#settling.push(session) > 1) return;
    this.#runtime.clock.defer(() => {
      const sessions = this.#settling;
      this.#settling = [];
      for (const one of sessions) one.settle();
    });
  }

  unexpected(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#runtime.log.write("error", `request failed unexpectedly: ${text}`);
  }

  /** Sets the configured connection limit, lowered to what the process may open. */
  #limitConnections(): void {
    const { maxConnections, serversInProcess = 1 } = this.#options;
    const descriptorsMax = this.#runtime.process.descriptorsMax();
    const fitting = descriptorsMax === undefined ? maxConnections : connectionsThatFit(descriptorsMax, serversInProcess);
    const lowered = Math.min(maxConnections, fitting);
    if (lowered < maxConnections && lowered !== this.maxConnections) {
      const shared = serversInProcess === 1 ? "" : ` for "${serversInProcess}" servers`;
      const limit = `the process may open "${descriptorsMax}" files and connections (ulimit -n)${shared}`;
      const text = `max-connection "${maxConnections}" is lowered to "${lowered}": ${limit}, some of them for its own use`;
      this.#runtime.log.write("warning", text);
    }
    this.maxConnections = lowered;
  }

  #onRejected(): void {
    this.rejectedConnections++;
    this.#rejectedLately = true;
    if (this.#rejectedBefore !== undefined) return;
    this.#rejectedBefore = this.rejectedConnections - 1;
    this.#runtime.log.write("warning", `"${this.connections}" connections are open: no more are accepted (max-connection)`);
  }

  /** Logs the end of a shortage: nobody was refused since the last check, and there is room. */
  #lookForRoom(): void {
    const isOver = !this.#rejectedLately && this.connections < this.maxConnections;
    this.#rejectedLately = false;
    if (this.#rejectedBefore === undefined || !isOver) return;
    const count = this.rejectedConnections - this.#rejectedBefore;
    this.#rejectedBefore = undefined;
    this.#runtime.log.write("notice", `connections are accepted again, "${count}" were refused`);
  }

  #handshakeFailed(error: Error): void {
    this.handshakeErrors++;
    this.#handshakeLog.write(error.message);
  }

  #accept(connection: Connection, listenAddress: string, traits: ListenerTraits): ConnectionHandler {
    const isFull = this.connections >= this.maxConnections;
    const { guests } = traits;
    // Other protocols do not wait for the server's handler.
    const isReady = this.#handler !== undefined || this.#expected !== undefined || guests !== undefined;
    if (!isReady || isFull) {
      if (isReady) this.#onRejected();
      // Sending the reason would take a handshake, which is what we cannot afford.
      if (traits.tls !== undefined || this.#rejected.size >= REJECTED_MAX) connection.destroy();
      return new RejectedConnection(connection, isReady ? (guests?.refusal ?? TOO_MANY) : NOT_OPEN, this.#rejected);
    }
    this.totalConnections++;
    if (guests !== undefined) return this.#receive(connection, guests);
    const begin = (): Session => {
      const session = new Session(this.#workers.nextId(), connection, this, listenAddress, traits);
      this.#opening.add(session);
      return session;
    };
    if (this.#handler !== undefined) return begin();
    const waiting = new WaitingConnection(connection, this);
    this.#waiting.set(waiting, begin);
    return waiting;
  }

  #receive(connection: Connection, guests: GuestHost): Guest {
    const received = guests.receive(connection, (guest, error) => {
      this.#guests.delete(guest);
      // A connection that is not open yet can fail in no other way.
      if (error !== undefined && !guest.isOpen) this.#handshakeFailed(error);
      if (this.connections === 0) this.#emptied?.();
    });
    this.#guests.add(received);
    return received;
  }

  #scheduleSweep(): void {
    const dueMs = this.monotonicMs() + SWEEP_MS;
    this.#sweepTimer = this.#runtime.clock.setTimer(() => {
      this.loopDelays.observeMs(this.monotonicMs() - dueMs);
      this.#closeLate();
      this.#lookForRoom();
      this.#scheduleSweep();
    }, SWEEP_MS);
  }

  /** Closes connections that are idle, or slow to log in, to complete a request or to read their last replies. */
  #closeLate(): void {
    const nowMs = this.monotonicMs();
    const { authTimeoutMs, requestTimeoutMs } = this.access.options;
    const oldestMs = nowMs - (this.#options.idleTimeoutMs || Number.POSITIVE_INFINITY);
    const oldestLoginMs = nowMs - authTimeoutMs;
    const oldestRequestMs = nowMs - (requestTimeoutMs || Number.POSITIVE_INFINITY);
    for (const waiting of this.#waiting.keys()) if (nowMs - (waiting.heldSinceMs ?? nowMs) > OPENING_MS) waiting.refuse();
    for (const guest of [...this.#guests]) if (guest.isLate(nowMs)) guest.kill();
    for (const session of this.#sessions) {
      const sinceMs = session.incompleteSinceMs;
      const isSilent = session.lastActiveMs < oldestMs && session.operation === "";
      const isUnknown = session.isUnknown && session.startedMs < oldestLoginMs;
      const untakenMsMax = LAST_REPLIES_MS + (session.sendingBytes / LAST_REPLIES_PACE_BYTES) * 1000;
      const isStuck = session.untakenMs(nowMs) > untakenMsMax;
      if (!isSilent && !isUnknown && !isStuck && (sinceMs === 0 || sinceMs >= oldestRequestMs)) continue;
      session.closeReason = "idle_timeout";
      session.kill();
    }
  }
}

/** `tcp:host:port` or `unix:path`. */
function addressName(address: Address): string {
  return "path" in address ? `unix:${address.path}` : `tcp:${formatHostPort(address.host, address.port)}`;
}

/** The periodic work of a server, shown in `stats threads` as in the original. */
class Alarm implements Worker {
  readonly type = WorkerType.alarm;
  readonly peer = ":0";
  readonly operation = "";
  readonly state = "wait";
  readonly queue = 0;
  readonly behindSeconds = 0;
  readonly id: number;
  readonly startedMs: number;

  constructor(id: number, startedMs: number) {
    this.id = id;
    this.startedMs = startedMs;
  }

  /** Does nothing: without this worker idle connections would stay for ever. */
  kill(): void {}
}

/** A refused connection: gets the reason and is closed. */
class RejectedConnection implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #reason: Uint8Array;
  readonly #all: Set<RejectedConnection>;

  /** @param all the refused connections that are still open */
  constructor(connection: Connection, reason: Uint8Array, all: Set<RejectedConnection>) {
    this.#connection = connection;
    this.#reason = reason;
    this.#all = all;
    all.add(this);
  }

  onOpen(): void {
    if (this.#reason.length > 0) this.#connection.write(this.#reason);
    this.#connection.close();
  }

  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}

  onClose(): void {
    this.#all.delete(this);
  }
}
