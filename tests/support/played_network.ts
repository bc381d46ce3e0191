/**
 * A runtime for one server whose whole environment is scripted by a test: hosts that accept the server's connections,
 * connections a test opens to the server, and a clock that is moved by hand. Everything happens in a fixed order, so a
 * conversation is the same every time. Bytes arrive in pieces, in memory that is overwritten afterwards.
 */

import { setImmediate } from "node:timers";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type { Address, Connection, ConnectionHandler, Listener, Runtime, Transport } from "../../lib/runtime/runtime.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFiles } from "./memory_files.ts";

/** Turns of the loop without anything happening after which nothing more will happen. */
const QUIET_TURNS = 6;

/** The test's end of a connection. */
export interface FarEnd {
  /** Everything received and not taken yet, one character per byte. */
  received: string;
  readonly closed: boolean;
  /** Called after `received` has grown. */
  onReceived: () => void;
  /** Called when the connection has ended. */
  onClosed: () => void;
  send(text: string): void;
  close(): void;
}

export class PlayedNetwork implements Transport {
  readonly clock: ManualClock;
  readonly files = new MemoryFiles();
  /** What the next calls of `random` give; 0 when it is empty. */
  readonly draws: number[] = [];
  readonly logged: string[] = [];
  readonly runtime: Runtime;
  /** Called with the key of the host and the far end of each connection the server opens. */
  onConnect: (key: string, far: FarEnd) => void = () => undefined;
  /** Called with a host whose name leads to another one. */
  doubt: (host: string) => void = () => undefined;
  /** Hosts that refuse connections. */
  readonly unreachable = new Set<string>();
  /** Hosts that have disappeared: nothing gets there. */
  readonly silent = new Set<string>();
  readonly #listening = new Map<string, (connection: Connection) => ConnectionHandler>();
  #events: (() => void)[] = [];

  constructor() {
    this.clock = new ManualClock((callback) => this.later(callback));
    this.runtime = {
      name: "simulated",
      transport: this,
      clock: this.clock,
      random: { uint32: () => this.draws.shift() ?? 0 },
      files: this.files,
      log: { write: (level, message) => void this.logged.push(`${level} ${message}`) },
      process: {
        pid: 1,
        hostName: () => "node.example",
        cpuUsage: () => ({ userUs: 0, systemUs: 0 }),
        memoryBytes: () => 1,
        descriptorsMax: () => undefined,
      },
    };
  }

  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const key = keyOf(address);
    this.#listening.set(key, accept);
    return Promise.resolve({
      address,
      renew: () => undefined,
      close: () => Promise.resolve(void this.#listening.delete(key)),
    });
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler): Connection {
    const key = keyOf(address);
    const link = new Link(this, key);
    link.handler = handler;
    if (this.silent.has(key)) {
      const error = new FlareError("TIMED_OUT", `no answer from "${key}" in ${timeoutMs} ms`, { retriable: true });
      this.clock.setTimer(() => link.lose(error), timeoutMs);
      return link;
    }
    this.later(() => {
      if (this.unreachable.has(key))
        return link.lose(new FlareError("CONNECTION_FAILED", `"${key}" refused`, { retriable: true }));
      if (link.closed) return;
      if (this.#listening.has(key)) joinEnds(link.far, this.dial(key, "127.0.0.1:1"));
      else this.onConnect(key, link.far);
      handler.onOpen();
    });
    return link;
  }

  /** Opens a connection to the server. */
  dial(key: string, from: string): FarEnd {
    const link = new Link(this, from);
    link.handler = this.accept(key, link);
    link.handler.onOpen();
    return link.far;
  }

  /** Where the server listens, in the order it began to. */
  get listeners(): readonly string[] {
    return [...this.#listening.keys()];
  }

  /** Gives the server a connection of the test's own. */
  accept(key: string, connection: Connection): ConnectionHandler {
    const accept = this.#listening.get(key);
    if (accept === undefined) throw new Error(`nobody listens on "${key}"`);
    return accept(connection);
  }

  /** Runs `event` in a later turn, in order. */
  later(event: () => void): void {
    this.#events.push(event);
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (this.#events.length > 0) quiet = 0;
      for (const event of this.#events.splice(0)) event();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Lets everything happen that needs no time to pass, until `work` is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = (): void => {
      done = true;
    };
    work.then(end, end);
    while (!done) await this.settle();
    return work;
  }

  /** Lets time pass until `done`; false when `limitMs` have gone by first. */
  async passUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.clock.monotonicMs() + limitMs;
    await this.settle();
    while (!done()) {
      const due = this.clock.step(untilMs);
      await this.settle();
      if (!due) return done();
    }
    return true;
  }

  async pass(ms: number): Promise<void> {
    await this.passUntil(() => false, ms);
  }
}

/** One connection in memory; the server's end is the `Connection`. */
class Link implements Connection {
  readonly peer: string;
  handler: ConnectionHandler | undefined;
  closed = false;
  readonly far: FarEnd & { closed: boolean };
  readonly #network: PlayedNetwork;
  #paused = false;
  /** Pieces on their way to the server. */
  readonly #inbox: string[] = [];

  constructor(network: PlayedNetwork, peer: string) {
    this.#network = network;
    this.peer = peer;
    this.far = {
      received: "",
      closed: false,
      onReceived: () => undefined,
      onClosed: () => undefined,
      send: (text) => this.#arrive(text),
      close: () => this.close(),
    };
  }

  write(bytes: Uint8Array): boolean {
    const text = latin1(bytes);
    this.#network.later(() => {
      if (this.far.closed) return;
      this.far.received += text;
      this.far.onReceived();
    });
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    for (let i = 0; i < this.#inbox.length; i++) this.#network.later(() => this.#deliver());
  }

  close(): void {
    this.#network.later(() => this.lose());
  }

  destroy(): void {
    this.close();
  }

  /** Ends the connection for both sides. */
  lose(error?: FlareError): void {
    if (this.closed) return;
    this.closed = true;
    this.far.closed = true;
    this.handler?.onClose(error);
    this.far.onClosed();
  }

  #arrive(text: string): void {
    const middle = text.length >> 1;
    for (const piece of [text.slice(0, middle), text.slice(middle)]) {
      if (piece === "") continue;
      this.#inbox.push(piece);
      this.#network.later(() => this.#deliver());
    }
  }

  #deliver(): void {
    if (this.closed || this.#paused) return;
    const piece = this.#inbox.shift();
    if (piece === undefined) return;
    const chunk = fromLatin1(piece);
    this.handler?.onData(chunk);
    chunk.fill(0xee);
  }
}

/** Makes one connection of two: the server is connected to itself. */
function joinEnds(left: FarEnd, right: FarEnd): void {
  for (const [from, to] of [
    [left, right],
    [right, left],
  ] as const) {
    from.onReceived = () => {
      const text = from.received;
      from.received = "";
      to.send(text);
    };
    from.onClosed = () => to.close();
  }
}

function keyOf(address: Address): string {
  return "port" in address ? `${address.host}:${address.port}` : address.path;
}
