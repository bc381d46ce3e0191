/**
 * One request with a long answer, as an asynchronous sequence of chunks, for `dump`, whose answer may be larger than memory.
 * Back-pressure slows the sender down to the reader. A server that prepares its answer is silent, but answers a ping.
 */

import { MIB } from "../base/byte_units.ts";
import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { formatHostPort } from "../base/host_port.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import { isThere } from "../net/peer/presence.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../runtime/runtime.ts";

/** Most bytes waiting for the reader. */
const HELD_BYTES_MAX = 4 * MIB;

/**
 * Sends a request on a separate connection and yields the answer until the other side closes or the reader stops (which closes,
 * too), or `signal` is aborted. The reader owns the chunks.
 * @throws FlareError CONNECTION_FAILED | TIMED_OUT if nothing arrives for `replyTimeoutMs`, and a ping is not answered either
 */
export async function* byteStream(
  runtime: Runtime,
  address: HostPort,
  request: Uint8Array,
  options: PeerOptions,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (signal?.aborted) return;
  const reader = new StreamReader(runtime, address, request, options);
  const end = (): void => reader.onEnd();
  signal?.addEventListener("abort", end);
  try {
    for (;;) {
      const chunk = await reader.next();
      if (chunk === undefined) return;
      yield chunk;
    }
  } finally {
    signal?.removeEventListener("abort", end);
    reader.close();
  }
}

class StreamReader implements ConnectionHandler {
  readonly #runtime: Runtime;
  readonly #name: string;
  readonly #request: Uint8Array;
  readonly #address: HostPort;
  readonly #options: PeerOptions;
  readonly #connection: Connection;
  readonly #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #paused = false;
  #ended = false;
  #error: FlareError | undefined;
  #timer: Timer | undefined;
  #wake: () => void = () => undefined;

  constructor(runtime: Runtime, address: HostPort, request: Uint8Array, options: PeerOptions) {
    this.#runtime = runtime;
    this.#name = formatHostPort(address.host, address.port);
    this.#request = request;
    this.#address = address;
    this.#options = options;
    this.#connection = runtime.transport.connect(address, options.connectTimeoutMs, this, {
      tls: options.tls?.client,
    });
  }

  /** The next chunk, undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && this.#error === undefined && !this.#ended) await this.#more();
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#error !== undefined) throw this.#error;
      return undefined;
    }
    this.#heldBytes -= chunk.length;
    if (this.#paused && this.#heldBytes < HELD_BYTES_MAX / 2) {
      this.#paused = false;
      this.#connection.resume();
    }
    return chunk;
  }

  close(): void {
    this.#connection.destroy();
  }

  onOpen(): void {
    this.#connection.write(this.#request);
  }

  onData(chunk: Uint8Array): void {
    this.#chunks.push(chunk.slice());
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HELD_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#connection.pause();
    }
    this.#wake();
  }

  onDrain(): void {}

  onEnd(): void {
    this.#ended = true;
    this.#wake();
  }

  onClose(error?: Error): void {
    this.#ended = true;
    if (error instanceof FlareError) this.#error = error;
    else if (error !== undefined) {
      const text = `connection to "${this.#name}" broke: ${error.message}`;
      this.#error = new FlareError("CONNECTION_FAILED", text, { retriable: true, cause: error });
    }
    this.#wake();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
        this.#timer = undefined;
        this.#wake = () => undefined;
        resolve();
      };
      this.#watch(this.#wake);
    });
  }

  /** Ends the wait for the next chunk, whose end is `wake`, when the other side is gone. */
  #watch(wake: () => void): void {
    const { replyTimeoutMs, tls } = this.#options;
    this.#timer = this.#runtime.clock.setTimer(async () => {
      const there = await isThere(this.#runtime, this.#address, replyTimeoutMs, tls);
      if (this.#wake !== wake) return;
      if (there) return this.#watch(wake);
      this.#error ??= new FlareError("TIMED_OUT", `"${this.#name}" sent nothing for ${replyTimeoutMs} ms`, { retriable: true });
      wake();
    }, replyTimeoutMs);
  }
}
