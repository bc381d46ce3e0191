/**
 * A transport whose outgoing connections resolve names through a cache, so that a slow name delays only its own connections. IP
 * addresses and UNIX sockets pass through unchanged.
 */

import type { FlareError } from "../../base/errors.ts";
import { parseIpAddress } from "../../base/ip_address.ts";
import type { Address, Clock, Connection, ConnectionHandler, ConnectOptions, Transport } from "../runtime.ts";
import { peerText } from "../sockets/address_text.ts";
import { connectTimeoutFault } from "../sockets/socket_fault.ts";
import type { NameCache } from "./name_cache.ts";

/** How long to wait for a fresh answer before the last one is used. */
const NEWS_MS = 500;

export class NamedTransport implements Transport {
  readonly #inner: Transport;
  readonly #names: NameCache;
  readonly #clock: Clock;

  constructor(inner: Transport, names: NameCache, clock: Clock) {
    this.#inner = inner;
    this.#names = names;
    this.#clock = clock;
  }

  listen(...parameters: Parameters<Transport["listen"]>): ReturnType<Transport["listen"]> {
    return this.#inner.listen(...parameters);
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options: ConnectOptions = {}): Connection {
    if ("path" in address || options.ip !== undefined) return this.#inner.connect(address, timeoutMs, handler, options);
    const digits = digitsOf(address.host);
    if (digits !== undefined) {
      return this.#inner.connect(digits === address.host ? address : { ...address, host: digits }, timeoutMs, handler, options);
    }
    return new NamedConnection(this.#inner, this.#names, this.#clock, address, timeoutMs, handler, options);
  }

  doubt(host: string): void {
    this.#names.doubt(host);
  }
}

/** A host that is an IP address, without brackets; undefined for a name. */
function digitsOf(host: string): string | undefined {
  const plain = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  // After % comes an interface of this machine.
  return parseIpAddress(plain.split("%", 1)[0] as string) === undefined ? undefined : plain;
}

/** A connection to a name: tries the addresses one after the other, all within its timeout. */
class NamedConnection implements Connection, ConnectionHandler {
  readonly peer: string;
  readonly #transport: Transport;
  readonly #names: NameCache;
  readonly #clock: Clock;
  readonly #address: { readonly host: string; readonly port: number };
  readonly #timeoutMs: number;
  readonly #deadlineMs: number;
  readonly #handler: ConnectionHandler;
  readonly #options: ConnectOptions;
  /** The connection to one of the addresses. */
  #inner: Connection | undefined;
  /** Addresses still to be tried, best first. */
  #addresses: readonly string[] = [];
  /** Bytes written before the connection was open; the memory is still the caller's. */
  #early: Uint8Array | undefined;
  #isOpen = false;
  #isPaused = false;
  /** To be closed when everything written before is sent. */
  #isClosing = false;
  /** It was abandoned, or `onClose` was called. */
  #isOver = false;

  constructor(
    transport: Transport,
    names: NameCache,
    clock: Clock,
    address: { host: string; port: number },
    timeoutMs: number,
    handler: ConnectionHandler,
    options: ConnectOptions,
  ) {
    this.peer = peerText(address);
    this.#transport = transport;
    this.#names = names;
    this.#clock = clock;
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#deadlineMs = clock.monotonicMs() + timeoutMs;
    this.#handler = handler;
    this.#options = options;
    const { addresses, isFresh } = names.known(address.host);
    if (isFresh) this.#begin(addresses);
    else void this.#find(addresses);
  }

  get security(): Connection["security"] {
    return this.#inner?.security;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOpen) return (this.#inner as Connection).write(bytes);
    if (this.#isOver || this.#isClosing || bytes.length === 0) return true;
    if (this.#early !== undefined) throw new Error("write before onDrain");
    this.#early = bytes;
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.#inner?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#inner?.resume();
  }

  close(): void {
    if (this.#isOpen) this.#inner?.close();
    else if (this.#early === undefined) this.destroy();
    else this.#isClosing = true;
  }

  destroy(forget = false): void {
    if (this.#isOpen) return this.#inner?.destroy(forget);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inner?.destroy();
    // Never inside the call that caused it.
    queueMicrotask(() => this.#handler.onClose());
  }

  onOpen(): void {
    if (this.#isOver) return;
    this.#isOpen = true;
    const inner = this.#inner as Connection;
    const isDrained = this.#early !== undefined && inner.write(this.#early);
    this.#early = undefined;
    if (this.#isClosing) return inner.close();
    this.#handler.onOpen();
    if (isDrained) this.#handler.onDrain();
  }

  onData(chunk: Uint8Array): void {
    if (!this.#isOver) this.#handler.onData(chunk);
  }

  onDrain(): void {
    if (!this.#isOver) this.#handler.onDrain();
  }

  onEnd(): void {
    if (!this.#isOver) this.#handler.onEnd();
  }

  onClose(error?: Error): void {
    if (this.#isOver) return;
    if (!this.#isOpen) {
      this.#names.doubt(this.#address.host);
      if (this.#addresses.length > 0 && this.#leftMs > 0) return this.#connect();
    }
    this.#isOver = true;
    this.#handler.onClose(error);
  }

  get #leftMs(): number {
    return this.#deadlineMs - this.#clock.monotonicMs();
  }

  /** Resolves the name; uses the last answer if there is no new one in time. */
  async #find(last: readonly string[]): Promise<void> {
    const timer = this.#clock.setTimer(
      () => {
        if (last.length > 0) this.#begin(last);
        else this.#fail(connectTimeoutFault(this.peer, this.#timeoutMs, "its name was not resolved"));
      },
      last.length > 0 ? Math.min(NEWS_MS, this.#timeoutMs) : this.#timeoutMs,
    );
    try {
      this.#begin(await this.#names.ask(this.#address.host));
    } catch (error) {
      if (last.length > 0) this.#begin(last);
      else this.#fail(error as FlareError);
    } finally {
      this.#clock.clearTimer(timer);
    }
  }

  #begin(addresses: readonly string[]): void {
    if (this.#isOver || this.#inner !== undefined) return;
    this.#addresses = addresses;
    this.#connect();
  }

  #connect(): void {
    const [ip, ...others] = this.#addresses as [string, ...string[]];
    const timeoutMs = Math.max(1, Math.ceil(this.#leftMs / this.#addresses.length));
    this.#addresses = others;
    this.#inner = this.#transport.connect(this.#address, timeoutMs, this, { ...this.#options, ip });
    if (this.#isPaused) this.#inner.pause();
  }

  #fail(error: FlareError): void {
    if (this.#isOver || this.#inner !== undefined) return;
    this.#isOver = true;
    this.#handler.onClose(error);
  }
}
