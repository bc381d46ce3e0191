/**
 * Connections that log in before they are used. They send `version` first and the password only to a server that answers
 * `CLIENT_ERROR unauthenticated`, so that a node without logins (a C++ one, or an open one) never sees it, and never stores it
 * as an item. Transparent to the user of the connection.
 */

import { concatBytes, EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { UNAUTHENTICATED } from "../../protocol/text/refusal_lines.ts";
import type { Address, Connection, ConnectionHandler, Runtime, Timer, Transport } from "../../runtime/runtime.ts";
import type { Credentials } from "./auth_file.ts";

const PROBE = fromLatin1("version\r\n");
const STORED = "STORED";
/** Longest answer to the probe or the login. */
const LINE_BYTES_MAX = 8192;
const LF = 0x0a;

/** The same runtime, whose outgoing connections log in if there are credentials; each connection asks for the current ones. */
export function withLogin(runtime: Runtime, credentials: () => Credentials | undefined): Runtime {
  const { name, clock, random, files, log, process, http } = runtime;
  return { name, clock, random, files, log, process, http, transport: new LoginTransport(runtime, credentials) };
}

class LoginTransport implements Transport {
  readonly #runtime: Runtime;
  readonly #credentials: () => Credentials | undefined;

  constructor(runtime: Runtime, credentials: () => Credentials | undefined) {
    this.#runtime = runtime;
    this.#credentials = credentials;
  }

  listen(...parameters: Parameters<Transport["listen"]>): ReturnType<Transport["listen"]> {
    return this.#runtime.transport.listen(...parameters);
  }

  connect(...parameters: Parameters<Transport["connect"]>): Connection {
    const credentials = this.#credentials();
    if (credentials === undefined) return this.#runtime.transport.connect(...parameters);
    return new LoginConnection(this.#runtime, credentials, parameters);
  }

  doubt(host: string): void {
    this.#runtime.transport.doubt?.(host);
  }
}

/** A connection that opens for its user once it has logged in. */
class LoginConnection implements Connection, ConnectionHandler {
  readonly #runtime: Runtime;
  readonly #credentials: Credentials;
  readonly #address: Address;
  readonly #handler: ConnectionHandler;
  readonly #inner: Connection;
  readonly #timer: Timer;
  #open = false;
  #closed = false;
  #toldPassword = false;
  #line: Uint8Array = EMPTY_BYTES;

  constructor(runtime: Runtime, credentials: Credentials, connecting: Parameters<Transport["connect"]>) {
    const [address, timeoutMs, handler, ...options] = connecting;
    this.#runtime = runtime;
    this.#credentials = credentials;
    this.#address = address;
    this.#handler = handler;
    this.#timer = runtime.clock.setTimer(() => {
      const text = `"${this.#name}" did not answer the login within ${timeoutMs} ms`;
      this.#fail(new FlareError("TIMED_OUT", text, { retriable: true }));
    }, timeoutMs);
    this.#inner = runtime.transport.connect(address, timeoutMs, this, ...options);
  }

  get peer(): string {
    return this.#inner.peer;
  }

  get #name(): string {
    return "path" in this.#address ? this.#address.path : formatHostPort(this.#address.host, this.#address.port);
  }

  get security(): Connection["security"] {
    return this.#inner.security;
  }

  write(bytes: Uint8Array): boolean {
    return this.#inner.write(bytes);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    this.#inner.close();
  }

  destroy(forget = false): void {
    this.#inner.destroy(forget);
  }

  onOpen(): void {
    this.#inner.write(PROBE);
  }

  onData(chunk: Uint8Array): void {
    if (this.#open) return this.#handler.onData(chunk);
    this.#line = concatBytes([this.#line, chunk]);
    const lineFeed = this.#line.indexOf(LF);
    if (lineFeed < 0) {
      if (this.#line.length > LINE_BYTES_MAX) this.#fail(this.#refused("with an endless line"));
      return;
    }
    const line = latin1(this.#line, 0, lineFeed).trimEnd();
    this.#line = this.#line.slice(lineFeed + 1);
    if (this.#toldPassword) {
      if (line === STORED) this.#ready();
      else this.#fail(this.#refused(`with "${line}"`));
    } else if (line === UNAUTHENTICATED) this.#tellPassword();
    else this.#ready();
  }

  onDrain(): void {
    if (this.#open) this.#handler.onDrain();
  }

  onEnd(): void {
    if (this.#open) this.#handler.onEnd();
    else this.#fail(this.#refused("by closing the connection"));
  }

  onClose(error?: Error): void {
    this.#runtime.clock.clearTimer(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    this.#handler.onClose(error);
  }

  #tellPassword(): void {
    this.#toldPassword = true;
    const { user, password } = this.#credentials;
    const data = `${user} ${password}`;
    this.#inner.write(fromLatin1(`set login 0 0 ${data.length}\r\n${data}\r\n`));
  }

  #ready(): void {
    this.#runtime.clock.clearTimer(this.#timer);
    this.#open = true;
    this.#handler.onOpen();
    if (this.#line.length > 0) this.#handler.onData(this.#line);
  }

  #refused(how: string): FlareError {
    const text = `"${this.#name}" answered the login as "${this.#credentials.user}" ${how}`;
    return new FlareError("CONNECTION_FAILED", text, { retriable: true });
  }

  #fail(error: FlareError): void {
    if (this.#open) return;
    this.#runtime.clock.clearTimer(this.#timer);
    this.#inner.destroy();
    if (this.#closed) return;
    this.#closed = true;
    this.#handler.onClose(error);
  }
}
