/** A raw client for tests: sends bytes, collects bytes, waits until what came is what it waits for. */

import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { Address, Connection, ConnectionHandler, Runtime, TlsClient } from "../../lib/runtime/runtime.ts";

export class TextClient implements ConnectionHandler {
  /** Everything received and not taken yet, as a latin-1 string. */
  received = "";
  closed = false;
  error: Error | undefined;
  readonly #connection: Connection;
  #drained: (() => void) | undefined;
  #opened: (() => void) | undefined;
  #waiters: (() => void)[] = [];

  private constructor(runtime: Runtime, address: Address, tls: TlsClient | undefined) {
    this.#connection = runtime.transport.connect(address, 5000, this, { tls });
  }

  static async connect(runtime: Runtime, address: Address, tls?: TlsClient): Promise<TextClient> {
    const client = new TextClient(runtime, address, tls);
    await new Promise<void>((resolve) => {
      client.#opened = resolve;
    });
    if (client.error !== undefined) throw client.error;
    return client;
  }

  /** The common name in the other side's certificate. */
  get peerName(): string | undefined {
    return this.#connection.security?.peerName;
  }

  async send(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? fromLatin1(text) : text;
    if (this.#connection.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Waits until `done` holds for what has been received, the connection has closed, or the time is up. */
  async until(done: (received: string) => boolean, timeoutMs = 5000): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    while (!done(this.received) && !this.closed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.received;
  }

  /** Sends a command and takes its answer, which ends with `last`. @throws Error if the connection is closed already */
  async ask(text: string, last: RegExp = /\r\n$/): Promise<string> {
    if (this.closed) throw new Error(`"${text.trimEnd()}" cannot be asked on a closed connection`);
    await this.send(text);
    const answer = await this.until((received) => last.test(received));
    this.received = "";
    return answer;
  }

  close(): void {
    this.#connection.destroy();
  }

  /** Finishes sending but still reads. */
  end(): void {
    this.#connection.close();
  }

  onOpen(): void {
    this.#opened?.();
  }

  onData(chunk: Uint8Array): void {
    this.received += latin1(chunk);
    this.#wake();
  }

  onDrain(): void {
    this.#drained?.();
  }

  onEnd(): void {
    this.closed = true;
    this.#connection.destroy();
    this.#wake();
  }

  onClose(error?: Error): void {
    this.error = error;
    this.closed = true;
    this.#opened?.();
    this.#drained?.();
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
