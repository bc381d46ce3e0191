/**
 * A small world around an index server for tests: a clock that is moved by hand, files in memory, and nodes that answer
 * what they are told to, on connections without sockets.
 */

import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import type {
  Address,
  Clock,
  Connection,
  ConnectionHandler,
  Listener,
  Runtime,
  Timer,
  Transport,
} from "../../lib/runtime/runtime.ts";
import { FakeConnection } from "./fake_connection.ts";
import { MemoryFiles } from "./memory_files.ts";

class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly callback: () => void; readonly dueMs: number }>();

  nowMs(): number {
    return 1_800_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { callback, dueMs: this.#nowMs + delayMs };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as { callback: () => void; dueMs: number });
  }

  defer(callback: () => void): void {
    queueMicrotask(callback);
  }

  /** Runs what is due up to `untilMs`, in order, letting promises settle in between. */
  async runUntil(untilMs: number): Promise<void> {
    for (;;) {
      await settle();
      const next = [...this.#timers].sort((left, right) => left.dueMs - right.dueMs)[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}

/** A node as the index server meets it. */
export class FakeNode {
  /** Refuses connections while false. */
  reachable = true;
  /** The answer to a command line; undefined = silence. */
  answer: (command: string) => string | undefined = () => "OK\r\n";
  /** Everything it was sent, one text per command: `ping`, or `node sync` with its lines joined by `|`. */
  readonly received: string[] = [];
  /** The connections to it; what it says on one without being asked there and then. */
  readonly connections = new Set<{ say(text: string): void }>();
}

export class IndexWorld implements Runtime, Transport {
  readonly name = "simulated";
  readonly clock = new ManualClock();
  readonly files = new MemoryFiles();
  readonly transport: Transport = this;
  readonly random = { uint32: () => 4 };
  readonly logged: string[] = [];
  readonly log = { write: (level: string, message: string) => void this.logged.push(`${level} ${message}`) };
  readonly process = {
    pid: 4711,
    hostName: () => "index.example",
    cpuUsage: () => ({ userUs: 1_500_000, systemUs: 250 }),
    memoryBytes: () => 1,
    descriptorsMax: () => undefined,
  };
  /** Every command any node got, in order: `<node> <command>`. */
  readonly trace: string[] = [];
  readonly #nodes = new Map<string, FakeNode>();
  #accept: ((connection: Connection) => ConnectionHandler) | undefined;

  /** The node `key` (`host:port`); made when first asked for. */
  node(key: string): FakeNode {
    const node = this.#nodes.get(key) ?? new FakeNode();
    this.#nodes.set(key, node);
    return node;
  }

  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    this.#accept = accept;
    return Promise.resolve({ address, renew: () => undefined, close: () => Promise.resolve() });
  }

  connect(address: Address, _timeoutMs: number, handler: ConnectionHandler): Connection {
    const key = "port" in address ? `${address.host}:${address.port}` : address.path;
    const connection = new NodeConnection(key, this.node(key), handler, this.trace);
    connection.start();
    return connection;
  }

  /** A connection of the test's own. */
  accept(connection: Connection): ConnectionHandler {
    if (this.#accept === undefined) throw new Error("nobody listens");
    return this.#accept(connection);
  }

  async advance(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.monotonicMs() + ms);
  }

  /** What a client hears that sends all of `text` at once, and whether the server then closed the connection. */
  async ask(text: string): Promise<{ reply: string; closed: boolean }> {
    const connection = new FakeConnection();
    const handler = this.accept(connection);
    handler.onOpen();
    handler.onData(fromLatin1(text));
    await settle();
    handler.onClose();
    return { reply: connection.text, closed: connection.closed || connection.destroyed };
  }
}

/** The index server's end of a connection to a fake node. */
class NodeConnection implements Connection {
  readonly peer: string;
  readonly #node: FakeNode;
  readonly #handler: ConnectionHandler;
  readonly #trace: string[];
  #open = false;
  #text = "";

  constructor(key: string, node: FakeNode, handler: ConnectionHandler, trace: string[]) {
    this.peer = key;
    this.#node = node;
    this.#handler = handler;
    this.#trace = trace;
  }

  start(): void {
    void Promise.resolve().then(() => {
      if (!this.#node.reachable) {
        this.#handler.onClose(
          new FlareError("CONNECTION_FAILED", `"${this.peer}" refused the connection`, { retriable: true }),
        );
        return;
      }
      this.#open = true;
      this.#node.connections.add(this);
      this.#handler.onOpen();
    });
  }

  write(bytes: Uint8Array): boolean {
    this.#text += latin1(bytes);
    for (;;) {
      const end = this.#text.startsWith("node sync") ? "END\r\n" : "\r\n";
      const at = this.#text.indexOf(end);
      if (at < 0) return true;
      const command = this.#text.slice(0, at + end.length);
      this.#text = this.#text.slice(at + end.length);
      const line = command.trimEnd().replaceAll("\r\n", "|").replaceAll("NODE ", "").replace("|END", "");
      this.#node.received.push(line);
      this.#trace.push(`${this.peer} ${line}`);
      const answer = this.#node.answer(line);
      if (answer === undefined) continue;
      void Promise.resolve().then(() => {
        if (!this.#open) return;
        if (answer === "") this.#end();
        else this.#handler.onData(fromLatin1(answer));
      });
    }
  }

  say(text: string): void {
    this.#handler.onData(fromLatin1(text));
  }

  pause(): void {}
  resume(): void {}

  close(): void {
    this.#end();
  }

  destroy(): void {
    this.#end();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#node.connections.delete(this);
    this.#handler.onClose();
  }
}

/** Lets all promises that can settle now do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
