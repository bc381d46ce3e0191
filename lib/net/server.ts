/**
 * Accepts connections and keeps their sessions: how many there may be, how long they may be silent, and how they
 * end when the server stops. Both daemons use it; what the commands mean is the handler's.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { formatHostPort } from "../base/host_port.ts";
import { PacedLog } from "../base/paced_log.ts";
import { BufferPool } from "../protocol/buffer_pool.ts";
import type { Address, Connection, ConnectionHandler, Listener, Runtime, Timer, TlsServer } from "../runtime/runtime.ts";
import type { Access } from "./auth/access.ts";
import type { AccessOptions } from "./auth/access_options.ts";
import { Session, type SessionHost } from "./connection/session.ts";
import type { ListenerTraits, RawListener, RequestHandler, SessionLimits, Traffic } from "./connection/session_host.ts";
import { WaitingConnection, type WaitingConnectionOwner } from "./connection/waiting_connection.ts";
import { connectionsThatFit } from "./descriptor_budget.ts";
import { type Worker, type WorkerRegistry, WorkerType } from "./worker.ts";

export interface ServerOptions {
  /** Simultaneous client connections; further ones are told so and closed. Fewer if the process may not have that many. */
  readonly maxConnections: number;
  /** Servers that share what the process may have open, this one included; default 1. */
  readonly serversInProcess?: number;
  /** A connection silent for this long is closed; 0 = never. */
  readonly idleTimeoutMs: number;
  /** Bytes all connections together may hold of incomplete requests. */
  readonly requestMemoryBytesMax: number;
  /** Length of the kernel's queue of connections. */
  readonly backlog: number;
  readonly limits: SessionLimits;
  /** Who has to log in and who may run which commands. */
  readonly access: Access;
}

const TOO_MANY = fromLatin1("ERROR Too many open connections\r\n");
const NOT_OPEN = new Uint8Array(0);
/** So many connections are told at the same time that there are too many; those beyond are closed without a word. */
const REJECTED_MAX = 16;
const SWEEP_MS = 1000;
/** The client of a connection that ends may take nothing of its last replies for so long, and a second more … */
const LAST_REPLIES_MS = 30000;
/** … for each so many bytes. */
const LAST_REPLIES_PACE_BYTES = 65536;
/** So long a request waits for the server to open. */
const OPENING_MS = 5000;
/** A failed handshake and a request of HTTP are logged at most once in so many milliseconds. */
const REFUSAL_LOG_MS = 10000;

export class Server implements SessionHost, WaitingConnectionOwner {
  readonly limits: SessionLimits;
  readonly access: Access;
  readonly requestMemory: { usedBytes: number; bytesMax: number };
  readonly buffers = new BufferPool();
  readonly traffic: Traffic = { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 };
  rawListener: RawListener | undefined = undefined;
  /** Told of each connection that is opened, and again when it has gone. */
  connectionListener: ((session: Session, isOpen: boolean) => void) | undefined = undefined;
  /** Connections accepted since the start. */
  totalConnections = 0;
  /** Connections turned away at the limit. */
  rejectedConnections = 0;
  /** TLS handshakes that failed. */
  handshakeErrors = 0;
  /** Connections closed because they spoke HTTP. */
  httpRequests = 0;
  /** When the certificates in use were read, by the monotonic clock; undefined while nothing listens with TLS. */
  certificatesReadMs: number | undefined;
  /** The most connections there may be. */
  maxConnections = 0;
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #sessions = new Set<Session>();
  /** Those that still agree on TLS. */
  readonly #opening = new Set<Session>();
  /** Those that wait for `open`, and what gives each its session then. */
  readonly #waiting = new Map<WaitingConnection, () => Session>();
  #isExpected = false;
  readonly #listeners: { readonly id: number; readonly listener: Listener }[] = [];
  readonly #secureListeners = new Set<Listener>();
  #options: ServerOptions;
  #handler: RequestHandler | undefined;
  /** Called when the last connection has gone. */
  #emptied: (() => void) | undefined;
  #sweepTimer: Timer | undefined;
  readonly #rejected = new Set<RejectedConnection>();
  /** Somebody was turned away since the last look. */
  #rejectedLately = false;
  /** How many were turned away before the present shortage; undefined = there is none. */
  #rejectedBefore: number | undefined;
  readonly #handshakeLog: PacedLog;
  readonly #httpLog: PacedLog;

  constructor(runtime: Runtime, workers: WorkerRegistry, options: ServerOptions) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#options = options;
    this.#handshakeLog = new PacedLog(runtime, "notice", REFUSAL_LOG_MS);
    this.#httpLog = new PacedLog(runtime, "warning", REFUSAL_LOG_MS);
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

  /** Open connections, those included that still agree on TLS or wait for the server to open. */
  get connections(): number {
    return this.#sessions.size + this.#opening.size + this.#waiting.size;
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** Where it listens, as `stats conns` says it, and by which numbers. */
  get listeners(): { readonly id: number; readonly address: string }[] {
    return this.#listeners.map(({ id, listener }) => ({ id, address: addressName(listener.address) }));
  }

  /** Takes new values for what may change while running: the number of connections, their idle time, who may do what. */
  async reload(options: Pick<ServerOptions, "maxConnections" | "idleTimeoutMs"> & { access: AccessOptions }): Promise<void> {
    const { access, ...own } = options;
    this.#options = { ...this.#options, ...own };
    this.#limitConnections();
    await this.access.reload(access);
    for (const session of this.#sessions) session.admit();
  }

  /** It will open soon: from now on connections are kept, and what they ask waits for that. */
  expect(): void {
    this.#isExpected = true;
  }

  /** From now on connections are served, those that waited for it first. */
  open(handler: RequestHandler): void {
    this.#handler = handler;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [connection, begin] of waiting) connection.serve(begin());
  }

  /**
   * Takes the address; until `expect` or `open` connections are closed at once.
   * @throws FlareError ADDRESS_IN_USE | IO_ERROR, INVALID_OPTION for certificates that cannot be used
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

  /** Other certificates for connections from now on. @throws FlareError INVALID_OPTION: the old ones stay */
  renewTls(tls: TlsServer): void {
    for (const listener of this.#secureListeners) listener.renew(tls);
    if (this.#secureListeners.size > 0) this.certificatesReadMs = this.monotonicMs();
  }

  /** Accepts no more; open connections stay. */
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
    for (const session of [...this.#sessions]) {
      session.closeReason = "shutdown";
      session.drain();
    }
    if (this.connections === 0) return;
    const { clock } = this.#runtime;
    await new Promise<void>((resolve) => {
      // Under Deno a connection that reads nothing keeps no process, which then would end in the midst of this.
      const timer = clock.setTimer(resolve, graceMs, true);
      this.#emptied = () => {
        clock.clearTimer(timer);
        resolve();
      };
    });
    for (const session of [...this.#sessions]) session.kill();
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
    this.#httpLog.write(`"${peer}" spoke HTTP and was cut off: a web page may be trying to reach this port through a browser`);
  }

  left(waiting: WaitingConnection, error?: Error): void {
    this.#waiting.delete(waiting);
    // Nothing else goes wrong with a connection that is not open yet.
    if (error !== undefined && !waiting.isOpen) this.#handshakeFailed(error);
    if (this.connections === 0) this.#emptied?.();
  }

  unexpected(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#runtime.log.write("error", `request failed unexpectedly: ${text}`);
  }

  /** As many connections as were asked for, if the process may have so many open. */
  #limitConnections(): void {
    const { maxConnections, serversInProcess = 1 } = this.#options;
    const descriptorsMax = this.#runtime.process.descriptorsMax();
    const fitting = descriptorsMax === undefined ? maxConnections : connectionsThatFit(descriptorsMax, serversInProcess);
    const lowered = Math.min(maxConnections, fitting);
    if (lowered < maxConnections && lowered !== this.maxConnections) {
      const shared = serversInProcess === 1 ? "" : ` for "${serversInProcess}" servers`;
      const limit = `the process may have "${descriptorsMax}" files and connections open (ulimit -n)${shared}`;
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

  /** Tells when nobody was turned away since the last look, and there is room. */
  #lookForRoom(): void {
    const isOver = !this.#rejectedLately && this.connections < this.maxConnections;
    this.#rejectedLately = false;
    if (this.#rejectedBefore === undefined || !isOver) return;
    const count = this.rejectedConnections - this.#rejectedBefore;
    this.#rejectedBefore = undefined;
    this.#runtime.log.write("notice", `connections are accepted again, "${count}" were turned away`);
  }

  #handshakeFailed(error: Error): void {
    this.handshakeErrors++;
    this.#handshakeLog.write(error.message);
  }

  #accept(connection: Connection, listenAddress: string, traits: ListenerTraits): ConnectionHandler {
    const isFull = this.connections >= this.maxConnections;
    const isReady = this.#handler !== undefined || this.#isExpected;
    if (!isReady || isFull) {
      if (isReady) this.#onRejected();
      // To tell the reason would take a handshake, the very thing there is too much of.
      if (traits.tls !== undefined || this.#rejected.size >= REJECTED_MAX) connection.destroy();
      return new RejectedConnection(connection, isReady ? TOO_MANY : NOT_OPEN, this.#rejected);
    }
    this.totalConnections++;
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

  #scheduleSweep(): void {
    this.#sweepTimer = this.#runtime.clock.setTimer(() => {
      this.#closeLate();
      this.#lookForRoom();
      this.#scheduleSweep();
    }, SWEEP_MS);
  }

  /** Ends the connections that are silent, slow to log in, to complete a request or to take their last replies. */
  #closeLate(): void {
    const nowMs = this.monotonicMs();
    const { authTimeoutMs, requestTimeoutMs } = this.access.options;
    const oldestMs = nowMs - (this.#options.idleTimeoutMs || Number.POSITIVE_INFINITY);
    const oldestLoginMs = nowMs - authTimeoutMs;
    const oldestRequestMs = nowMs - (requestTimeoutMs || Number.POSITIVE_INFINITY);
    for (const waiting of this.#waiting.keys()) if (nowMs - (waiting.heldSinceMs ?? nowMs) > OPENING_MS) waiting.refuse();
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

/** The periodic work of a server, as `stats threads` of the original shows it. */
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

  /** Nothing: without it idle connections would stay for ever. */
  kill(): void {}
}

/** A connection that is not served: hears why and is closed. */
class RejectedConnection implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #reason: Uint8Array;
  readonly #all: Set<RejectedConnection>;

  /** @param all those that have not gone yet */
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
