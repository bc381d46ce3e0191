/**
 * Sockets on `Bun.listen` and `Bun.connect`, for Bun, where they cost less than its `node:net`. Bun's `write` writes what the
 * kernel accepts and leaves the rest to us. Does not know what the bytes mean. Handlers deliberately have no `error` callback:
 * with one, Bun would pass it every exception of the code above; without one exceptions end the process as under the other
 * runtimes. TLS uses Bun's `node:tls`.
 */

import { chmodSync } from "node:fs";
import { clearTimeout, setTimeout } from "node:timers";
import { formatHostPort } from "../../base/host_port.ts";
import type {
  Address,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Log,
  Transport,
} from "../runtime.ts";
import { peerText } from "./address_text.ts";
import { NodeTransport } from "./node_net.ts";
import { connectionFault, connectTimeoutFault, listenFault } from "./socket_fault.ts";
import { CLOSE_MS, KEEP_ALIVE_MS, LINGER_MS, SOCKET_BACKLOG, SOCKET_MODE } from "./socket_limits.ts";
import { removeOwnSocket, removeStaleSocket, socketInode } from "./unix_socket.ts";

/** The part of Bun's interface used here. */
interface BunSocket {
  data: BunConnection;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** Returns the number of bytes written, -1 if the socket is closed. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Sends the end, keeps reading. */
  shutdown(): void;
  close(): void;
  /** Closes with a reset. */
  terminate(): void;
  setNoDelay(enable: boolean): boolean;
  setKeepAlive(enable: boolean, initialDelayMs: number): boolean;
}
interface BunListener {
  readonly port?: number;
  stop(): void;
}
interface BunHandlers {
  binaryType: "uint8array";
  open(socket: BunSocket): void;
  data(socket: BunSocket, chunk: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  close(socket: BunSocket, error?: Error): void;
  connectError?(socket: BunSocket, error: Error): void;
}
type BunAddress = { hostname: string; port: number } | { unix: string };
declare const Bun: {
  listen(options: BunAddress & { allowHalfOpen: true; backlog: number; socket: BunHandlers }): BunListener;
  connect(options: BunAddress & { allowHalfOpen: true; data: BunConnection; socket: BunHandlers }): Promise<BunSocket>;
};

export class BunTransport implements Transport {
  readonly #secure: NodeTransport;

  constructor(log: Log) {
    this.#secure = new NodeTransport(log, { sharedReadBuffer: false });
  }

  async listen(
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
    options: ListenOptions = {},
  ): Promise<Listener> {
    if (options.tls !== undefined) return this.#secure.listen(address, accept, options);
    const open = (socket: BunSocket): void => {
      const peer = "path" in address ? ":0" : formatHostPort(socket.remoteAddress ?? "", socket.remotePort ?? 0);
      const connection = new BunConnection(peer, undefined);
      socket.data = connection;
      connection.start(socket, accept);
    };
    let listener: BunListener | undefined;
    try {
      if ("path" in address) await removeStaleSocket(address.path);
      const backlog = options.backlog ?? SOCKET_BACKLOG;
      listener = Bun.listen({ ...bunAddress(address), allowHalfOpen: true, backlog, socket: { ...HANDLERS, open } });
      if ("path" in address) chmodSync(address.path, address.mode ?? SOCKET_MODE);
      return new BunListenerAdapter(listener, address);
    } catch (error) {
      listener?.stop();
      throw listenFault(error, address);
    }
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options: ConnectOptions = {}): Connection {
    if (options.tls !== undefined) return this.#secure.connect(address, timeoutMs, handler, options);
    const connection = new BunConnection(peerText(address), handler);
    connection.open(address, timeoutMs, options.ip);
    return connection;
  }
}

function bunAddress(address: Address, ip?: string): BunAddress {
  return "path" in address ? { unix: address.path } : { hostname: ip ?? address.host, port: address.port };
}

/** Shared by all connections; a listener has its own `open`. */
const HANDLERS: BunHandlers = {
  binaryType: "uint8array",
  open: (socket) => socket.data.onOpen(socket),
  data: (socket, chunk) => socket.data.onData(chunk),
  drain: (socket) => socket.data.onDrain(),
  end: (socket) => socket.data.onEnd(),
  close: (socket, error) => socket.data.onClose(error),
};

class BunListenerAdapter implements Listener {
  readonly address: Address;
  readonly #listener: BunListener;
  readonly #inode: number | undefined;

  constructor(listener: BunListener, asked: Address) {
    this.#listener = listener;
    this.address = "path" in asked ? asked : { host: asked.host, port: listener.port ?? asked.port };
    this.#inode = "path" in asked ? socketInode(asked.path) : undefined;
  }

  /** Does nothing: only `NodeTransport` listens with TLS. */
  renew(): void {}

  async close(): Promise<void> {
    this.#listener.stop();
    if ("path" in this.address) removeOwnSocket(this.address.path, this.#inode);
  }
}

const Phase = {
  opening: 0,
  open: 1,
  /** `close` was called: pending bytes are sent, incoming ones are discarded. */
  closing: 2,
  /** Everything is sent, including the end. */
  lingering: 3,
  /** `onClose` was called, or will be before anything else. */
  closed: 4,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

class BunConnection implements Connection {
  readonly peer: string;
  #socket: BunSocket | undefined;
  #handler: ConnectionHandler | undefined;
  #phase: Phase = Phase.opening;
  #opened = false;
  #peerEnded = false;
  #paused = false;
  /** The bytes of a `write` that returned false, as far as the kernel has not accepted them. */
  #rest: Uint8Array | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(peer: string, handler: ConnectionHandler | undefined) {
    this.peer = peer;
    this.#handler = handler;
  }

  /** An accepted connection. */
  start(socket: BunSocket, accept: (connection: Connection) => ConnectionHandler): void {
    this.#prepare(socket);
    this.#handler = accept(this);
    if (this.#phase !== Phase.opening) return;
    this.#phase = Phase.open;
    this.#handler.onOpen();
  }

  /** An outgoing connection. */
  open(address: Address, timeoutMs: number, ip: string | undefined): void {
    this.#startTimer(timeoutMs, () => this.#finish(connectTimeoutFault(this.peer, timeoutMs)));
    const fail = (error: unknown): void => this.#finish(connectionFault(error, this.peer, false));
    const socket = { ...HANDLERS, connectError: (_socket: BunSocket, error: Error) => fail(error) };
    try {
      Bun.connect({ ...bunAddress(address, ip), allowHalfOpen: true, data: this, socket }).catch(fail);
    } catch (error) {
      fail(error); // A port out of range, a path too long.
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#phase >= Phase.closing || bytes.length === 0) return true;
    if (this.#rest !== undefined) throw new Error("write before onDrain");
    const socket = this.#socket;
    const taken = socket === undefined ? 0 : socket.write(bytes);
    if (taken === bytes.length || taken < 0) return true;
    this.#rest = bytes.subarray(taken);
    return false;
  }

  pause(): void {
    if (this.#phase >= Phase.closing) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (this.#phase >= Phase.closing) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  close(): void {
    if (this.#phase >= Phase.closing) return;
    this.#phase = Phase.closing;
    this.#socket?.resume();
    this.#startTimer(CLOSE_MS, () => this.destroy());
    if (this.#rest === undefined && this.#socket !== undefined) this.#linger();
  }

  destroy(forget = false): void {
    if (forget && this.#phase !== Phase.closed) this.#socket?.terminate();
    this.#finish(undefined);
  }

  onOpen(socket: BunSocket): void {
    if (this.#phase === Phase.closed) {
      socket.close(); // Abandoned in the meantime.
      return;
    }
    this.#prepare(socket);
    if (this.#phase === Phase.opening) {
      clearTimeout(this.#timer);
      this.#phase = Phase.open;
      this.#handler?.onOpen();
    }
    if (this.#rest !== undefined) this.onDrain();
    else if (this.#phase === Phase.closing) this.#linger();
  }

  onData(chunk: Uint8Array): void {
    if (this.#phase === Phase.open) this.#handler?.onData(chunk);
  }

  /** The kernel accepts more bytes; also called when none are left. */
  onDrain(): void {
    const rest = this.#rest;
    if (rest === undefined || this.#phase === Phase.closed) return;
    const taken = this.#socket?.write(rest) ?? 0;
    if (taken < 0) return;
    if (taken < rest.length) {
      this.#rest = rest.subarray(taken);
      return;
    }
    this.#rest = undefined;
    if (this.#phase === Phase.closing) this.#linger();
    else this.#handler?.onDrain();
  }

  onEnd(): void {
    this.#peerEnded = true;
    if (this.#phase === Phase.open) this.#handler?.onEnd();
    else if (this.#phase === Phase.lingering) this.destroy();
  }

  onClose(error: Error | undefined): void {
    // Once everything is sent, later events are not errors.
    const inOrder = error === undefined || this.#phase === Phase.lingering;
    this.#finish(inOrder ? undefined : connectionFault(error, this.peer, this.#opened));
  }

  #prepare(socket: BunSocket): void {
    this.#opened = true;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    if (this.#paused) socket.pause();
  }

  /** Everything is sent. A peer that never closes its side gets a moment to read it before the connection is dropped. */
  #linger(): void {
    this.#phase = Phase.lingering;
    if (this.#peerEnded) {
      this.destroy();
      return;
    }
    this.#startTimer(LINGER_MS, () => this.destroy());
    this.#socket?.shutdown();
  }

  #finish(error: Error | undefined): void {
    if (this.#phase === Phase.closed) return;
    this.#phase = Phase.closed;
    clearTimeout(this.#timer);
    this.#rest = undefined;
    this.#socket?.close();
    // Never inside the call that caused it.
    queueMicrotask(() => this.#handler?.onClose(error));
  }

  #startTimer(delayMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, delayMs).unref();
  }
}
