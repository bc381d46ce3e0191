/**
 * One connection on `node:net` or `node:tls`: phases, back-pressure, the order of its handler's events. With a shared read
 * buffer it bypasses the streams where that is cheaper (see `node_net.ts`); without one, and for TLS, it is an ordinary stream.
 * Knows nothing of listening and of certificates.
 */

import { Socket, type SocketConstructorOpts } from "node:net";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { TLSSocket } from "node:tls";
import type { Address, Connection, ConnectionHandler, ConnectionSecurity, ConnectOptions } from "../runtime.ts";
import { connectionFault, connectTimeoutFault, handshakeFault, handshakeTimeoutFault } from "./socket_fault.ts";
import { CLOSE_MS, KEEP_ALIVE_MS, LINGER_MS, TLS_QUEUE_BYTES_MAX } from "./socket_limits.ts";
import { connectTls, handleBelow, type ReadingHandle, securityOf } from "./tls_socket.ts";

/** The part of an accepted socket's handle that is checked before it is moved. */
export interface PrivateHandle {
  readonly useUserBuffer?: unknown;
}

/** The streams' name for the encoding of bytes, missing from the declared type. */
const BYTES = "buffer" as BufferEncoding;

const Phase = {
  opening: 0,
  open: 1,
  /** `close` was called: pending bytes are sent, incoming ones are discarded. */
  closing: 2,
  /** `destroy` was called, or the connection failed. */
  destroyed: 3,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

export class NodeConnection implements Connection {
  readonly peer: string;
  security: ConnectionSecurity | undefined;
  /** The read buffer shared by all connections; undefined: the slower, documented way. */
  readonly #readBuffer: Uint8Array | undefined;
  /** During the TLS handshake of an accepted connection, the underlying socket. */
  #socket!: Socket;
  #handshaking = false;
  #speaksTls = false;
  /** Whether the socket below TLS must be paused and resumed separately. */
  readonly #pausesBelowTls: boolean;
  #below: ReadingHandle | undefined;
  #handler: ConnectionHandler | undefined;
  #phase: Phase = Phase.opening;
  #opened = false;
  /** `write` returned false and the adapter still has its bytes. */
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
    // A write that the end of the connection cuts off is reported like a successful one.
    if (!this.#draining || socket.destroyed || socket.writableLength > 0) return;
    this.#draining = false;
    if (this.#writing) return;
    if (this.#phase === Phase.closing) socket.end();
    else this.#handler?.onDrain();
  };

  /** @param pausesBelowTls true if a paused TLS socket keeps reading, as in Deno */
  constructor(peer: string, readBuffer: Uint8Array | undefined, pausesBelowTls = false) {
    this.peer = peer;
    this.#readBuffer = readBuffer;
    this.#pausesBelowTls = pausesBelowTls;
  }

  /** The options for this connection's socket, on an accepted `handle` or still to be connected. */
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

  /**
   * An accepted TLS connection on its bare socket; `secured` or `refuse` follows, unless the handler closed it at once (false)
   * or the handshake times out.
   */
  startHandshake(socket: Socket, timeoutMs: number, accept: (connection: Connection) => ConnectionHandler): boolean {
    this.#handshaking = true;
    this.#speaksTls = true;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("error", (error) => {
      if (this.#handshaking) this.#error ??= handshakeFault(error, this.peer);
    });
    socket.on("close", () => {
      if (!this.#handshaking) return;
      if (this.#phase === Phase.opening) this.#error ??= handshakeFault(new Error("it closed the connection"), this.peer);
      this.#onClose();
    });
    this.#startTimer(timeoutMs, () => this.#fail(handshakeTimeoutFault(this.peer, timeoutMs)));
    this.#handler = accept(this);
    return this.#phase === Phase.opening;
  }

  /** The handshake succeeded: data goes through `socket` from now on. */
  secured(socket: TLSSocket): void {
    if (!this.#handshaking || this.#phase !== Phase.opening) {
      socket.destroy();
      return;
    }
    this.#handshaking = false;
    // Until now the other side's end meant a failed handshake.
    socket.allowHalfOpen = true;
    this.#use(socket);
    this.#onSecured(socket);
  }

  /** The handshake failed, or its result is not acceptable. */
  refuse(error: unknown): void {
    if (this.#phase >= Phase.destroyed) return;
    this.#error ??= handshakeFault(error, this.peer);
    // Destroying the underlying socket during TLS's own call would crash Node.
    setImmediate(() => this.destroy());
  }

  /** An outgoing connection. */
  open(address: Address, timeoutMs: number, handler: ConnectionHandler, { tls, ip }: ConnectOptions = {}): void {
    this.#handler = handler;
    this.#speaksTls = tls !== undefined;
    this.#startTimer(timeoutMs, () => this.#fail(connectTimeoutFault(this.peer, timeoutMs)));
    try {
      if (tls === undefined) {
        const socket = new Socket(this.socketOptions());
        this.#use(socket);
        socket.once("connect", () => this.#onOpen());
        socket.connect("path" in address ? { path: address.path } : { host: ip ?? address.host, port: address.port });
      } else {
        const socket = connectTls(address, tls, ip);
        this.#use(socket);
        socket.once("secureConnect", () => this.#onSecured(socket));
      }
    } catch (error) {
      // A port out of range, a path too long, unreadable certificates.
      if (this.#socket === undefined) this.#use(new Socket());
      this.#fail(connectionFault(error, this.peer, false));
    }
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#phase >= Phase.closing || socket.destroyed || bytes.length === 0) return true;
    if (this.#draining) throw new Error("write before onDrain");
    if (this.#handshaking) throw new Error("write before onOpen");
    // Encrypted bytes leave in a later event loop turn; if they are few, nobody has to wait for that.
    if (this.#speaksTls && socket.writableLength + bytes.length <= TLS_QUEUE_BYTES_MAX) {
      socket.write(bytes.slice());
      return true;
    }
    this.#draining = true;
    this.#writing = true;
    if (this.#readBuffer !== undefined) {
      // Bypasses the stream's queue, which would only record that the kernel has accepted everything.
      socket._write(bytes, BYTES, this.#onWritten);
    } else {
      socket.write(bytes, this.#onWritten);
      // Its callback comes later even if the kernel has accepted everything.
      if (socket.writableLength === 0) this.#draining = false;
    }
    this.#writing = false;
    return !this.#draining;
  }

  pause(): void {
    if (this.#phase >= Phase.closing) return;
    this.#socket.pause();
    this.#below?.readStop();
  }

  resume(): void {
    if (this.#phase < Phase.closing) this.#read();
  }

  close(): void {
    if (this.#phase >= Phase.closing) return;
    if (this.#handshaking) return this.destroy();
    this.#phase = Phase.closing;
    this.#startTimer(CLOSE_MS, () => this.destroy());
    this.#read();
    // The stream does not know about bytes that bypassed its queue: its end must not overtake them.
    if (!this.#draining) this.#socket.end();
  }

  destroy(forget = false): void {
    if (this.#phase >= Phase.destroyed) return;
    this.#phase = Phase.destroyed;
    if (forget && this.#resettable) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** An open TCP connection without TLS. */
  get #resettable(): boolean {
    return this.#opened && !this.#speaksTls && this.#socket.remoteAddress !== undefined;
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
      // A plain view: a Buffer's `slice` is not a copy.
      socket.on("data", (chunk) => this.#onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
    }
  }

  #read(): void {
    this.#below?.readStart();
    this.#socket.resume();
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

  #onSecured(socket: TLSSocket): void {
    this.security = securityOf(socket);
    if (this.#pausesBelowTls) this.#below = handleBelow(socket);
    if (socket.isPaused()) this.#below?.readStop();
    this.#onOpen();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#phase < Phase.closing) this.#handler?.onData(chunk);
  }

  #onEnd(): void {
    this.#peerEnded = true;
    if (this.#phase === Phase.open) this.#handler?.onEnd();
    // In the middle of a handshake.
    else if (!this.#opened) this.#fail(connectionFault(new Error("it closed the connection"), this.peer, false));
  }

  /** Everything is sent. A peer that never closes its side gets a moment to read it before the connection is dropped. */
  #onFinish(): void {
    if (this.#phase !== Phase.closing || this.#peerEnded) return;
    this.#startTimer(LINGER_MS, () => this.destroy());
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    // Once everything is sent, later events are not errors.
    const inOrder = this.#error === undefined || (this.#phase === Phase.closing && this.#socket.writableFinished);
    this.#phase = Phase.destroyed;
    this.#handler?.onClose(inOrder ? undefined : connectionFault(this.#error, this.peer, this.#opened));
  }

  #startTimer(delayMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, delayMs).unref();
  }
}
