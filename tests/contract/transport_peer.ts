/**
 * One end of a connection under test: a `ConnectionHandler` that checks the rules every transport keeps (open first, close last
 * and once, nothing after it) and converts events to promises. `pattern` returns bytes that identify their position, so that a
 * lost, duplicated or overwritten range is detected.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import type {
  Address,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Transport,
} from "../../lib/runtime/runtime.ts";

const PERIOD = 65_521;
const WINDOW = 1 << 20;
const PATTERN = Buffer.alloc(PERIOD + WINDOW);
for (let i = 0; i < PATTERN.length; i++) {
  const position = i % PERIOD;
  PATTERN[i] = (position ^ (position >>> 8) ^ (position * 7)) & 0xff;
}

/** A copy of `length` (at most 1 MiB) bytes of the pattern from `position` on. */
export function pattern(position: number, length: number): Uint8Array {
  const start = position % PERIOD;
  return new Uint8Array(PATTERN.subarray(start, start + length));
}

/** Whether `chunk` is the pattern from `position` on. */
export function isPattern(chunk: Uint8Array, position: number): boolean {
  const start = position % PERIOD;
  return PATTERN.subarray(start, start + chunk.length).compare(chunk) === 0;
}

export class Peer implements ConnectionHandler {
  /** Those that are open. */
  static readonly alive = new Set<Peer>();
  connection!: Connection;
  opened = false;
  ended = false;
  closed = false;
  error: Error | undefined;
  drains = 0;
  bytesReceived = 0;
  /** By `sendPattern`. */
  bytesSent = 0;
  /** Called after the checks; the default throws the bytes away. */
  handleData: (chunk: Uint8Array) => void = () => undefined;
  handleDrain: () => void = () => undefined;
  handleEnd: () => void = () => undefined;
  #fault: Error | undefined;

  onOpen(): void {
    this.#rule(!this.opened && !this.closed, "onOpen comes once and before onClose");
    this.opened = true;
    Peer.alive.add(this);
  }

  onData(chunk: Uint8Array): void {
    this.#rule(this.opened && !this.ended && !this.closed, "onData comes between onOpen and onEnd or onClose");
    this.#rule(chunk.length > 0, "a chunk is not empty");
    this.handleData(chunk);
    this.bytesReceived += chunk.length;
  }

  onDrain(): void {
    this.#rule(this.opened && !this.closed, "onDrain comes between onOpen and onClose");
    this.drains++;
    this.handleDrain();
  }

  onEnd(): void {
    this.#rule(this.opened && !this.ended && !this.closed, "onEnd comes once and before onClose");
    this.ended = true;
    this.handleEnd();
  }

  onClose(error?: Error): void {
    this.#rule(!this.closed, "onClose comes once");
    this.closed = true;
    Peer.alive.delete(this);
    this.error = error;
  }

  /** Remembered, not thrown: a throw inside a handler would be the runtime's affair, not the test's. */
  #rule(holds: boolean, text: string): void {
    if (!holds) this.#fault ??= new Error(`broken rule: ${text}`);
  }

  assertRules(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Waits until `holds()`; real time, because the kernel takes part. */
  async until(holds: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      this.assertRules();
      assert(performance.now() < deadline, `nothing came in ${timeoutMs} ms; closed: ${this.closed}, error: ${this.error}`);
      await sleep(1);
    }
    this.assertRules();
  }

  untilOpen(): Promise<void> {
    return this.until(() => this.opened);
  }

  untilClosed(timeoutMs?: number): Promise<void> {
    return this.until(() => this.closed, timeoutMs);
  }

  untilReceived(byteCount: number, timeoutMs?: number): Promise<void> {
    return this.until(() => this.bytesReceived >= byteCount, timeoutMs);
  }

  /** From now on checks that what arrives is the pattern. */
  expectPattern(): void {
    this.handleData = (chunk) => this.#rule(isPattern(chunk, this.bytesReceived), `wrong bytes after ${this.bytesReceived}`);
  }

  /** From now on sends back what arrives, and stops reading while the other side takes nothing. */
  echo(): void {
    this.handleData = (chunk) => {
      // A copy: the bytes may have to outlive the call.
      if (!this.connection.write(chunk.slice())) this.connection.pause();
    };
    this.handleDrain = () => this.connection.resume();
    this.handleEnd = () => this.connection.close();
  }

  /**
   * Sends `byteCount` bytes of the pattern in pieces of the size `nextSize()`, always from the same memory, which is
   * overwritten as soon as it is allowed. Resolves when the last piece has left the adapter.
   */
  async sendPattern(byteCount: number, nextSize: () => number): Promise<void> {
    const memory = new Uint8Array(WINDOW);
    while (this.bytesSent < byteCount) {
      const size = Math.min(nextSize(), byteCount - this.bytesSent, WINDOW);
      const start = this.bytesSent % PERIOD;
      const piece = memory.subarray(0, size);
      piece.set(PATTERN.subarray(start, start + size));
      const drains = this.drains;
      const free = this.connection.write(piece);
      this.bytesSent += size;
      if (!free) await this.until(() => this.drains > drains || this.closed, 30_000);
      if (this.closed) return;
      piece.fill(0x21);
    }
  }
}

/** Listens and hands out a `Peer` per connection, in the order they came. */
export class PeerListener {
  static readonly #running = new Set<PeerListener>();
  readonly peers: Peer[];
  readonly listener: Listener;
  readonly #transport: Transport;

  private constructor(transport: Transport, listener: Listener, peers: Peer[]) {
    this.#transport = transport;
    this.listener = listener;
    this.peers = peers;
    PeerListener.#running.add(this);
  }

  /** Ends what failed tests left behind: open sockets would keep the process alive. */
  static async stopAll(): Promise<void> {
    for (const listener of PeerListener.#running) {
      await listener.listener.close();
    }
    for (const peer of Peer.alive) peer.connection.destroy();
  }

  static async start(
    transport: Transport,
    address: Address,
    prepare: (peer: Peer) => void = () => undefined,
    options: ListenOptions = {},
  ): Promise<PeerListener> {
    const peers: Peer[] = [];
    const accept = (connection: Connection): Peer => {
      const peer = new Peer();
      peer.connection = connection;
      prepare(peer);
      peers.push(peer);
      return peer;
    };
    const listener = await transport.listen(address, accept, options);
    return new PeerListener(transport, listener, peers);
  }

  get address(): Address {
    return this.listener.address;
  }

  /** A new connection, both of its ends open. */
  async pair(): Promise<{ readonly client: Peer; readonly server: Peer }> {
    const count = this.peers.length;
    const client = connectPeer(this.#transport, this.address);
    await client.until(() => client.opened && this.peers[count]?.opened === true);
    return { client, server: this.peers[count] as Peer };
  }

  async untilAccepted(count: number): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (this.peers.length < count) {
      assert(performance.now() < deadline, `${this.peers.length} of ${count} connections came`);
      await sleep(1);
    }
  }

  /** Ends everything and checks the rules a last time. */
  async stop(): Promise<void> {
    PeerListener.#running.delete(this);
    await this.listener.close();
    for (const peer of this.peers) peer.connection.destroy();
    for (const peer of this.peers) await peer.untilClosed();
  }
}

export function connectPeer(transport: Transport, address: Address, timeoutMs = 5_000, options: ConnectOptions = {}): Peer {
  const peer = new Peer();
  peer.connection = transport.connect(address, timeoutMs, peer, options);
  return peer;
}

/** The port of a TCP address. */
export function portOf(address: Address): number {
  assert("port" in address);
  return address.port;
}

/** Numbers from `low` to `high`, the same in every run. */
export function sizes(low: number, high: number, seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return low + (state % (high - low + 1));
  };
}

/** The code of a `FlareError`. */
export function codeOf(error: Error | undefined): unknown {
  assertEquals(error?.name, "FlareError", `not a FlareError: ${error}`);
  return (error as { code?: unknown }).code;
}
