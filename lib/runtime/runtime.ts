/**
 * The seam between the core and the machine: types only. Everything in `lib/` that needs a socket, a clock,
 * randomness, a file or a log line gets it from a `Runtime`; the adapters beside this file are the only places
 * that name Node, Deno or Bun. A simulated runtime is one more adapter.
 */

import type { LogFormat, LogLevel } from "../base/log_levels.ts";

/** What the library gets from the machine; `detectRuntime()` makes one. */
export interface Runtime {
  /** Which adapter it is. */
  readonly name: "nodejs" | "bun" | "deno" | "simulated";
  /** Sockets. */
  readonly transport: Transport;
  /** Time and timers. */
  readonly clock: Clock;
  /** Randomness. */
  readonly random: Random;
  /** Files. */
  readonly files: FileSystem;
  /** Where log lines go. */
  readonly log: Log;
  /** What is known about the process and its machine. */
  readonly process: ProcessInfo;
  /** HTTP; absent = this runtime does not speak it, so that nothing can be served by it. */
  readonly http?: HttpProtocol | undefined;
}

// ---------------------------------------------------------------------------------------------------- sockets

/** Where to listen or connect: TCP (`port` 0 = any free port) or a UNIX socket path. */
export type Address =
  | { readonly host: string; readonly port: number }
  | { readonly path: string /** Permission bits of the socket file, default 0o777. */; readonly mode?: number };

/** Sockets: TCP, UNIX and TLS. */
export interface Transport {
  /**
   * Starts listening. `accept` is called once per connection and returns its handler; the handler's `onOpen` follows. With
   * `tls` it follows the handshake, before which the connection can only be destroyed; if the handshake fails or times out,
   * `onClose(error)` is called without `onOpen`. A transport without TLS (the simulated one) uses plain connections.
   * @throws FlareError ADDRESS_IN_USE | IO_ERROR, INVALID_OPTION for unusable certificates
   */
  listen(address: Address, accept: (connection: Connection) => ConnectionHandler, options?: ListenOptions): Promise<Listener>;
  /**
   * Opens a connection and calls `onOpen` or `onClose(error)` of `handler`. `timeoutMs` limits the whole opening, including
   * name resolution and handshake. A name that cannot be resolved delays no other connection.
   */
  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options?: ConnectOptions): Connection;
  /** Somebody else answers at the addresses of a name: it is resolved again before it is used again. Absent: it always is. */
  doubt?(host: string): void;
}

/** How to listen. */
export interface ListenOptions {
  /** Length of the kernel's queue of connections that are not accepted yet, default 1024. */
  readonly backlog?: number;
  /** The connections use TLS; absent = plain. */
  readonly tls?: TlsServer;
}

/** How to connect. */
export interface ConnectOptions {
  /** The connection uses TLS; absent = plain. */
  readonly tls?: TlsClient | undefined;
  /** The host's IP address, if known: then its name is not resolved. */
  readonly ip?: string | undefined;
}

/** The oldest accepted protocol version. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** The TLS settings of a listener. Certificates and keys are PEM. */
export interface TlsServer {
  /** Our certificate, followed by its intermediate certificates. */
  readonly certificateChain: Uint8Array;
  /** The private key of the certificate. */
  readonly key: Uint8Array;
  /**
   * Requests a client certificate: an invalid one is refused, and, if `required`, a missing one, too. Absent: none is
   * requested.
   */
  readonly clientCertificates?: { readonly authorities: Uint8Array; readonly required: boolean };
  /** The oldest version accepted. */
  readonly minVersion: TlsVersion;
}

/** The TLS settings of an outgoing connection. Certificates and keys are PEM. */
export interface TlsClient {
  /** The CAs accepted for the other side's certificate; absent = the runtime's list. */
  readonly authorities?: Uint8Array;
  /** Our client certificate and its key; both or none. */
  readonly certificateChain?: Uint8Array;
  /** The private key of `certificateChain`. */
  readonly key?: Uint8Array;
  /** The name that the other side's certificate must have; absent = the host we connect to. */
  readonly serverName?: string;
  /** False: the other side is not verified. */
  readonly verify: boolean;
  /** The oldest version accepted. */
  readonly minVersion: TlsVersion;
}

/** A place where a server listens. */
export interface Listener {
  /** The real address (with the port the kernel chose). */
  readonly address: Address;
  /**
   * Uses new certificates for new connections; open ones stay as they are. Without effect on a listener without TLS. @throws
   * FlareError INVALID_OPTION if they are unusable: the old ones stay
   */
  renew(tls: TlsServer): void;
  /** Stops accepting; open connections stay. A UNIX socket file is removed. */
  close(): Promise<void>;
}

/** The TLS properties of a connection. */
export interface ConnectionSecurity {
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** OpenSSL's name of the cipher. */
  readonly cipher: string;
  /** The common name in the other side's verified certificate; undefined without one. */
  readonly peerName: string | undefined;
}

/** An open connection, or one that is being opened. */
export interface Connection {
  /** `host:port` of the other side; `:0` for a UNIX socket. */
  readonly peer: string;
  /** Known from `onOpen` on, undefined on a plain connection. */
  readonly security?: ConnectionSecurity | undefined;
  /**
   * Sends bytes. `true`: they were written or copied, and the caller may reuse the memory at once. `false`: the connection
   * keeps the memory, and the caller must neither modify it nor write again before `onDrain`. After `close`, `destroy` or the
   * end of the connection nothing happens and the answer is `true`.
   */
  write(bytes: Uint8Array): boolean;
  /** Stops and restarts `onData` (back-pressure to the sender). Bytes already read may still arrive once. */
  pause(): void;
  /** The opposite of `pause`. */
  resume(): void;
  /** Closes after everything written has been sent; of the handler only `onClose` follows. */
  close(): void;
  /**
   * Closes at once and drops what was not sent; of the handler only `onClose` follows. With `forget` a plain TCP connection
   * also drops data that the system has accepted and not delivered, which it would otherwise keep sending for a while.
   */
  destroy(forget?: boolean): void;
}

/** Called by the transport, always synchronously one after another, never after `onClose`. */
export interface ConnectionHandler {
  /** The connection is open; bytes can be written. */
  onOpen(): void;
  /** `chunk` is only valid during the call: the adapter reuses its memory. */
  onData(chunk: Uint8Array): void;
  /** The bytes of the last `write` that returned `false` have been sent. */
  onDrain(): void;
  /** The peer finished sending (half-closed); what we write still arrives. The handler decides when to `close`. */
  onEnd(): void;
  /** The connection is closed; `error` says why unless it closed normally. Called exactly once. */
  onClose(error?: Error): void;
}

// ------------------------------------------------------------------------------------------------------- HTTP

/** The HTTP protocol, as a server speaks it on connections that are accepted already. It has no timeouts of its own. */
export interface HttpProtocol {
  /**
   * Serves requests on a connection, one after the other; the connection's events go to the returned handler. Malformed
   * requests, and heads of more than `headBytesMax` bytes, are answered here, with a 4xx status, and end the connection, as
   * too many requests do that are sent without waiting for answers.
   */
  serve(connection: Connection, headBytesMax: number, answer: HttpAnswer): ConnectionHandler;
}

/** Answers a request; the promise must not reject. */
export type HttpAnswer = (request: HttpRequest) => Promise<HttpResponse>;

/** A request. Its body, if it has one and nobody reads it, is dropped. */
export interface HttpRequest {
  /** `GET`. */
  readonly method: string;
  /** As in the request line: `/metrics?a=b`, or a whole URL. */
  readonly target: string;
  /** The headers in their order, names as they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /**
   * Reads the body, once: all of it when it is there. Undefined: it is longer than `bytesMax`, or the client is gone before its
   * end. A client that wants to be asked for it (`Expect: 100-continue`) has to send it without that.
   */
  readBody(bytesMax: number): Promise<Uint8Array | undefined>;
}

/** A response. */
export interface HttpResponse {
  /** Such as 200. */
  readonly status: number;
  /** Without `content-length` the length of the body is not known, and it is sent in chunks. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parts of the body; nobody asks for the next one before the client has read enough. */
  readonly body: AsyncIterable<Uint8Array>;
}

// ---------------------------------------------------------------------------------------- time and randomness

/** Time and timers. */
export interface Clock {
  /** Wall clock, milliseconds since 1970: only for expiry and for humans. */
  nowMs(): number;
  /** A clock that never goes back, in milliseconds: for timeouts, leases and monitoring. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`. A timer does not keep the process alive unless `keepsProcess`. */
  setTimer(callback: () => void, delayMs: number, keepsProcess?: boolean): Timer;
  /** Stops a timer; nothing happens if it has run. */
  clearTimer(timer: Timer): void;
  /** Runs `callback` at the end of this turn of the event loop, after the other sockets that are ready now. */
  defer(callback: () => void): void;
}

/** An opaque handle of `Clock.setTimer`. */
export type Timer = { readonly timer: unique symbol } | object;

/** Randomness. */
export interface Random {
  /** A uniformly distributed integer, 0 … 2^32-1. */
  uint32(): number;
}

// ---------------------------------------------------------------------------------------------------- files

/** Files and directories; paths are written as the system writes them. */
export interface FileSystem {
  /** Opens a file for appending, creating it if necessary. @throws FlareError DISK_FULL | IO_ERROR */
  openAppend(path: string): AppendFile;
  /** The whole file, or undefined if there is none. @throws FlareError IO_ERROR */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Bytes `start` to `start + length` of a file, fewer at its end; undefined if there is none. @throws FlareError IO_ERROR */
  readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined>;
  /** Bytes in a file, or undefined if there is none. @throws FlareError IO_ERROR */
  size(path: string): Promise<number | undefined>;
  /**
   * Replaces a file atomically: writes a temporary file, syncs it, keeps the previous content as `path + ".previous"`, renames,
   * syncs the directory. @throws FlareError DISK_FULL | IO_ERROR
   */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Creates a file with its content, atomically and durably; resolves to false, and changes nothing, if there is a file of that
   * name. Of several callers, also on other machines that share the directory, one creates it. @throws FlareError DISK_FULL |
   * IO_ERROR: then it may be there or not
   */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** The permission bits of a file; undefined if it does not exist, or the system has no such bits. */
  permissions(path: string): Promise<number | undefined>;
  /** Names (not paths) of the entries of a directory, sorted; empty if it does not exist. */
  list(directory: string): Promise<string[]>;
  /** Removes a file or a directory with its content; nothing happens if there is none. */
  remove(path: string): Promise<void>;
  /** Creates a directory and its parents, which then survive a power cut. */
  makeDirectory(path: string): Promise<void>;
  /** Makes the entries of a directory (created, renamed, removed files) survive a power cut. */
  syncDirectory(directory: string): Promise<void>;
  /**
   * Takes an exclusive lock, which ends with the process at the latest.
   * @throws FlareError DATA_DIR_LOCKED naming the owner's pid
   */
  lock(path: string): Promise<FileLock>;
  /** Joins path parts as this system writes them. */
  join(...parts: string[]): string;
}

/** A file that grows at its end. */
export interface AppendFile {
  /** Bytes in the file. */
  readonly size: number;
  /**
   * Appends all bytes, synchronously. On an error the file may contain a part of them: the caller truncates it.
   * @throws FlareError DISK_FULL | IO_ERROR
   */
  append(bytes: Uint8Array): void;
  /** Resolves when everything appended before the call is on the disk (fdatasync). @throws FlareError IO_ERROR */
  sync(): Promise<void>;
  /** Truncates the file. @throws FlareError IO_ERROR */
  truncate(size: number): void;
  /** Closes the file. */
  close(): void;
}

/** A lock that is held. */
export interface FileLock {
  /** Gives the lock back. */
  release(): Promise<void>;
}

// ------------------------------------------------------------------------------------------ log and process

export type { LogFormat, LogLevel };

/** The log. */
export interface Log {
  /** Writes one line. Levels above the adapter's threshold cost nothing but the call. */
  write(level: LogLevel, message: string): void;
  /** From now on lines of this level and more important ones are written; absent where the level is somebody else's. */
  setLevel?(level: LogLevel): void;
  /** Reopens the log file by its name, after a rotation; absent without a file. @throws FlareError IO_ERROR */
  reopen?(): void;
}

/** What is known about the process and its machine. */
export interface ProcessInfo {
  /** The number of the process. */
  readonly pid: number;
  /** Fully qualified name of this machine. */
  hostName(): string;
  /** CPU time used so far, in microseconds. */
  cpuUsage(): { readonly userUs: number; readonly systemUs: number };
  /** Resident memory in bytes. */
  memoryBytes(): number;
  /** How many files and sockets the process may have open; undefined = unknown. */
  descriptorsMax(): number | undefined;
}
