/**
 * A pipelining client for commands with one line as their answer, and for gets: sends as much as requested, keeps
 * the order, and knows after the end of the connection which requests were never answered.
 */

import { concatBytes, fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { Address, Connection, ConnectionHandler, Runtime, TlsClient } from "../../lib/runtime/runtime.ts";

/** An item as `gets` shows it. */
export interface Item {
  readonly flags: number;
  /** latin-1. */
  readonly value: string;
  readonly version: string;
}

const CONNECT_TIMEOUT_MS = 10000;
const KEYS_PER_GET = 100;

export class LineClient implements ConnectionHandler {
  closed = false;
  readonly #connection: Connection;
  #received: Uint8Array = new Uint8Array(1 << 16);
  #start = 0;
  #end = 0;
  /** Takes what it can of the received bytes; false = it is not done yet. Oldest first. */
  readonly #expected: { take(): boolean; fail(error: Error): void }[] = [];
  #opened: ((error?: Error) => void) | undefined;
  #drained: (() => void)[] = [];
  #blocked = false;
  /** Requests of this turn, or that wait for the connection to drain. */
  #unsent: Uint8Array[] = [];

  private constructor(runtime: Runtime, address: Address, tls: TlsClient | undefined) {
    this.#connection = runtime.transport.connect(address, CONNECT_TIMEOUT_MS, this, { tls });
  }

  static async connect(runtime: Runtime, address: Address, tls?: TlsClient): Promise<LineClient> {
    const client = new LineClient(runtime, address, tls);
    await new Promise<void>((resolve, reject) => {
      client.#opened = (error) => (error === undefined ? resolve() : reject(error));
    });
    return client;
  }

  /** Requests without an answer so far. */
  get outstanding(): number {
    return this.#expected.length;
  }

  /** Received bytes that were no complete answer. */
  get leftOver(): string {
    return latin1(this.#received, this.#start, this.#end);
  }

  /** Sends a request; the promise gives its line, without the line end, and rejects when the connection ends before. */
  ask(request: string | Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      const take = (): boolean => {
        const line = this.#takeLine();
        if (line !== undefined) resolve(line);
        return line !== undefined;
      };
      this.#send(request, { take, fail: reject });
    });
  }

  /** The items stored under the keys. */
  async gets(keys: readonly string[]): Promise<Map<string, Item>> {
    const items = new Map<string, Item>();
    for (let from = 0; from < keys.length; from += KEYS_PER_GET) {
      const part = keys.slice(from, from + KEYS_PER_GET);
      await new Promise<void>((resolve, reject) => {
        const take = (): boolean => {
          const done = this.#takeItems(items, reject);
          if (done) resolve();
          return done;
        };
        this.#send(`gets ${part.join(" ")}\r\n`, { take, fail: reject });
      });
    }
    return items;
  }

  /** Resolves when the connection takes more. */
  async ready(): Promise<void> {
    while (this.#blocked && !this.closed) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  close(): void {
    this.#connection.destroy();
  }

  onOpen(): void {
    this.#opened?.();
  }

  onData(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#received.length) {
      const length = this.#end - this.#start;
      const room = new Uint8Array(Math.max(this.#received.length, 2 * (length + chunk.length)));
      room.set(this.#received.subarray(this.#start, this.#end));
      this.#received = room;
      this.#start = 0;
      this.#end = length;
    }
    this.#received.set(chunk, this.#end);
    this.#end += chunk.length;
    while (this.#expected[0]?.take() === true) this.#expected.shift();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#flush();
    if (!this.#blocked) this.#wake();
  }

  onEnd(): void {
    this.#connection.destroy();
  }

  onClose(error?: Error): void {
    this.closed = true;
    const reason = error ?? new Error("connection closed");
    this.#opened?.(reason);
    for (const { fail } of this.#expected) fail(reason);
    this.#wake();
  }

  #send(request: string | Uint8Array, expected: { take(): boolean; fail(error: Error): void }): void {
    if (this.closed) {
      expected.fail(new Error("connection is closed"));
      return;
    }
    this.#expected.push(expected);
    if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
    this.#unsent.push(typeof request === "string" ? fromLatin1(request) : request);
  }

  #flush(): void {
    if (this.#blocked || this.closed || this.#unsent.length === 0) return;
    const bytes = concatBytes(this.#unsent);
    this.#unsent = [];
    this.#blocked = !this.#connection.write(bytes);
  }

  #takeLine(): string | undefined {
    const at = this.#received.subarray(0, this.#end).indexOf(0x0a, this.#start);
    if (at < 0) return undefined;
    const line = latin1(this.#received, this.#start, at - 1);
    this.#start = at + 1;
    return line;
  }

  /** Takes VALUE blocks up to END; false = not all is there yet. */
  #takeItems(items: Map<string, Item>, reject: (error: Error) => void): boolean {
    for (;;) {
      const before = this.#start;
      const line = this.#takeLine();
      if (line === undefined) return false;
      if (line === "END") return true;
      const [word, key = "", flags, length, version = ""] = line.split(" ");
      if (word !== "VALUE") {
        reject(new Error(`gets answered "${line}"`));
        return true;
      }
      const end = this.#start + Number(length);
      if (end + 2 > this.#end) {
        this.#start = before;
        return false;
      }
      items.set(key, { flags: Number(flags), value: latin1(this.#received, this.#start, end), version });
      this.#start = end + 2;
    }
  }

  #wake(): void {
    const waiters = this.#drained;
    this.#drained = [];
    for (const wake of waiters) wake();
  }
}
