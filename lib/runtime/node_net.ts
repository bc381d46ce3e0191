/**
 * Sockets over `node:net`, for Node and Deno. The cost of a small request is mostly the read buffer the platform
 * allocates per chunk; `onread` with one buffer for all connections avoids it, but is offered for outgoing sockets only.
 * So an accepted socket's handle is moved into a new `Socket` with `onread`, and bytes are written by the socket's own half
 * of the stream, without the queue of the other. The handle is not documented: where it is missing or different, 'data'
 * events and plain writes do the same, slower. Knows nothing of what the bytes mean.
 */

import { chmodSync } from "node:fs";
import { createServer, type Server, Socket, type SocketConstructorOpts } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { hostPort, peerText } from "./address_text.ts";
import type { Address, Connection, ConnectionHandler, Listener, ListenOptions, Log, Transport } from "./runtime.ts";
import { connectionFault, connectTimeoutFault, listenFault } from "./socket_fault.ts";
import { CLOSE_MS, KEEP_ALIVE_MS, LINGER_MS, READ_BUFFER_BYTES, SOCKET_BACKLOG, SOCKET_MODE } from "./socket_limits.ts";
import { removeOwnSocket, removeStaleSocket, socketInode } from "./unix_socket.ts";

export interface NodeTransportOptions {
  /** False: read by 'data' events only, as where the private handle is missing. */
  readonly sharedReadBuffer?: boolean;
}

/** What of an accepted socket's handle is looked at before it is moved. */
interface PrivateHandle {
  readonly useUserBuffer?: unknown;
}
type SocketWithHandle = Socket & { _handle?: PrivateHandle | null };

export class NodeTransport implements Transport {
  readonly #log: Log;
  readonly #readBuffer: Uint8Array | undefined;

  constructor(log: Log, options: NodeTransportOptions = {}) {
    this.#log = log;
    this.#readBuffer = options.sharedReadBuffer === false ? undefined : new Uint8Array(READ_BUFFER_BYTES);
  }

  async listen(
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
    options: ListenOptions = {},
  ): Promise<Listener> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.on("connection", (socket) => this.#accept(socket, accept));
    try {
      if ("path" in address) await removeStaleSocket(address.path);
      await startListening(server, address, options.backlog ?? SOCKET_BACKLOG);
      if ("path" in address) chmodSync(address.path, address.mode ?? SOCKET_MODE);
    } catch (error) {
      server.close();
      throw listenFault(error, address);
    }
    server.on("error", (error) => this.#log.write("warning", `cannot accept a connection: ${error.message}`));
    return new NodeListener(server, address);
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler): Connection {
    const connection = new NodeConnection(peerText(address), this.#readBuffer);
    connection.open(address, timeoutMs, handler);
    return connection;
  }

  #accept(accepted: SocketWithHandle, accept: (connection: Connection) => ConnectionHandler): void {
    const peer = accepted.remoteAddress === undefined ? ":0" : hostPort(accepted.remoteAddress, accepted.remotePort ?? 0);
    const handle = accepted._handle;
    if (this.#readBuffer !== undefined && handle && typeof handle.useUserBuffer === "function") {
      const connection = new NodeConnection(peer, this.#readBuffer);
      accepted._handle = null;
      accepted.destroy(); // Without its handle it only leaves the server's count.
      connection.start(new Socket(connection.socketOptions(handle)), accept);
    } else {
      accepted.resume();
      new NodeConnection(peer, undefined).start(accepted, accept);
    }
  }
}

function startListening(server: Server, address: Address, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      "path" in address ? { path: address.path, backlog } : { host: address.host, port: address.port, backlog },
      () => {
        server.off("error", reject);
        resolve();
      },
    );
  });
}

class NodeListener implements Listener {
  readonly address: Address;
  readonly #server: Server;
  readonly #inode: number | undefined;

  constructor(server: Server, asked: Address) {
    this.#server = server;
    const bound = server.address();
    this.address =
      "path" in asked || bound === null || typeof bound === "string" ? asked : { host: asked.host, port: bound.port };
    this.#inode = "path" in asked ? socketInode(asked.path) : undefined;
  }

  async close(): Promise<void> {
    // Its callback would wait for the open connections, which stay.
    this.#server.close();
    if ("path" in this.address) removeOwnSocket(this.address.path, this.#inode);
  }
}

/** What streams call the encoding of bytes, which the declared type leaves out. */
const BYTES = "buffer" as BufferEncoding;

const Phase = {
  opening: 0,
  open: 1,
  /** `close` was called: what was written goes out, what comes in is thrown away. */
  closing: 2,
  /** `destroy` was called, or the connection failed. */
  destroyed: 3,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

class NodeConnection implements Connection {
  readonly peer: string;
  /** Where all connections read into, one after another; undefined: the slower, documented way. */
  readonly #readBuffer: Uint8Array | undefined;
  #socket!: Socket;
  #handler: ConnectionHandler | undefined;
  #phase: Phase = Phase.opening;
  #opened = false;
  /** `write` answered false and its bytes are still the adapter's. */
  #draining = false;
  /** True during a call of the socket's write. */
  #writing = false;
  #peerEnded = false;
  #error: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #onWritten = (error?: Error | null): void => {
    const socket = this.#socket;
    if (error) {
      this.#draining = false;
      socket.destroy(error);
      return;
    }
    // A write that is cut off by the end of the connection is reported like one that succeeded.
    if (!this.#draining || socket.destroyed || socket.writableLength > 0) return;
    this.#draining = false;
    if (this.#writing) return;
    if (this.#phase === Phase.closing) socket.end();
    else this.#handler?.onDrain();
  };

  constructor(peer: string, readBuffer: Uint8Array | undefined) {
    this.peer = peer;
    this.#readBuffer = readBuffer;
  }

  /** Options of the socket this connection needs, over an accepted `handle` or still to be connected. */
  socketOptions(handle?: PrivateHandle): SocketConstructorOpts {
    const readBuffer = this.#readBuffer;
    if (readBuffer === undefined) return { allowHalfOpen: true };
    const onread = {
      buffer: readBuffer,
      callback: (byteCount: number): boolean => {
        this.#onData(readBuffer.subarray(0, byteCount));
        return true;
      },
    };
    // The declared type knows neither the handle nor that `onread` is the constructor's.
    const options: SocketConstructorOpts & { handle?: PrivateHandle; onread: typeof onread } = { allowHalfOpen: true, onread };
    if (handle !== undefined) options.handle = handle;
    return options;
  }

  /** An accepted connection. */
  start(socket: Socket, accept: (connection: Connection) => ConnectionHandler): void {
    this.#use(socket);
    this.#handler = accept(this);
    this.#onOpen();
  }

  /** An outgoing connection. */
  open(address: Address, timeoutMs: number, handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#use(new Socket(this.socketOptions()));
    this.#startTimer(timeoutMs, () => this.#fail(connectTimeoutFault(this.peer, timeoutMs)));
    this.#socket.once("connect", () => {
      this.#onOpen();
    });
    try {
      this.#socket.connect("path" in address ? { path: address.path } : { host: address.host, port: address.port });
    } catch (error) {
      this.#fail(connectionFault(error, this.peer, false)); // A port out of range, a path too long.
    }
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#phase >= Phase.closing || socket.destroyed || bytes.length === 0) return true;
    if (this.#draining) throw new Error("write before onDrain");
    this.#draining = true;
    this.#writing = true;
    if (this.#readBuffer !== undefined) {
      // Past the stream's own queue, which would only note that the kernel has taken all.
      socket._write(bytes, BYTES, this.#onWritten);
    } else {
      socket.write(bytes, this.#onWritten);
      // Its callback comes later even when the kernel has taken all.
      if (socket.writableLength === 0) this.#draining = false;
    }
    this.#writing = false;
    return !this.#draining;
  }

  pause(): void {
    if (this.#phase < Phase.closing) this.#socket.pause();
  }

  resume(): void {
    if (this.#phase < Phase.closing) this.#socket.resume();
  }

  close(): void {
    if (this.#phase >= Phase.closing) return;
    this.#phase = Phase.closing;
    this.#startTimer(CLOSE_MS, () => this.destroy());
    this.#socket.resume();
    // The stream does not know of bytes written past its queue: its end must not overtake them.
    if (!this.#draining) this.#socket.end();
  }

  destroy(): void {
    if (this.#phase >= Phase.destroyed) return;
    this.#phase = Phase.destroyed;
    this.#socket.destroy();
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("end", () => this.#onEnd());
    socket.on("finish", () => this.#onFinish());
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("close", () => this.#onClose());
    if (this.#readBuffer === undefined) {
      // A plain view: a Buffer's `slice` is no copy.
      socket.on("data", (chunk) => this.#onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
    }
  }

  #fail(error: Error): void {
    if (this.#phase >= Phase.destroyed) return;
    this.#error ??= error;
    this.destroy();
  }

  #onOpen(): void {
    this.#opened = true;
    if (this.#phase !== Phase.opening) return;
    clearTimeout(this.#timer);
    this.#phase = Phase.open;
    this.#handler?.onOpen();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#phase < Phase.closing) this.#handler?.onData(chunk);
  }

  #onEnd(): void {
    this.#peerEnded = true;
    if (this.#phase < Phase.closing) this.#handler?.onEnd();
  }

  /** All is sent. A peer that never closes its side gets a moment to read it before the connection is cut. */
  #onFinish(): void {
    if (this.#phase !== Phase.closing || this.#peerEnded) return;
    this.#startTimer(LINGER_MS, () => this.destroy());
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    // What happens to a connection that has sent everything is no fault any more.
    const inOrder = this.#error === undefined || (this.#phase === Phase.closing && this.#socket.writableFinished);
    this.#phase = Phase.destroyed;
    this.#handler?.onClose(inOrder ? undefined : connectionFault(this.#error, this.peer, this.#opened));
  }

  #startTimer(delayMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, delayMs).unref();
  }
}
