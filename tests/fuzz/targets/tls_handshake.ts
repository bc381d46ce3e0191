/**
 * A TLS listener and bad clients: noise, damaged and truncated handshakes, a connection that breaks off at any byte. Through
 * the real sockets of the runtime.
 */

import { setImmediate } from "node:timers";
import { detectRuntime } from "../../../lib/runtime/detect.ts";
import type { Address, Connection, ConnectionHandler, Transport } from "../../../lib/runtime/runtime.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { testTlsClient, testTlsServer } from "../../support/test_certificates.ts";
import { bytesOf, corpusOf } from "../corpus.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";

const CONNECT_MS = 5000;
const PATIENCE_MS = 10000;
/** A real TLS client comes after this many strangers. */
const HONEST_EVERY = 20;
/** Chunks that leave one by one. */
const CHUNKS_MAX = 12;
const GREETING = Uint8Array.of(0x68, 0x69);

export const tlsTarget: FuzzTarget = {
  name: "tls",
  oracle: "no stranger gets through or stays; each handler is closed once; the next TLS client is served",
  async open() {
    const { transport, name } = detectRuntime({ logLevel: "error" });
    const guests: Guest[] = [];
    const accept = (connection: Connection): ConnectionHandler => {
      const guest = new Guest(connection);
      guests.push(guest);
      return guest;
    };
    const listener = await transport.listen({ host: "127.0.0.1", port: 0 }, accept, { tls: testTlsServer("node") });
    return new TlsSubject(transport, listener.address, guests, name !== "deno", () => listener.close());
  },
};

class TlsSubject implements FuzzSubject {
  readonly #transport: Transport;
  readonly #address: Address;
  /** The listener's ends of the connections since the last look. */
  readonly #guests: Guest[];
  readonly #stop: () => Promise<void>;
  /** Deno 2.9 keeps some six kilobytes of every handshake that fails, also without us. */
  readonly judgesMemory: boolean;
  readonly #hellos = corpusOf("tls").map(bytesOf);
  #runs = 0;

  constructor(transport: Transport, address: Address, guests: Guest[], judgesMemory: boolean, stop: () => Promise<void>) {
    this.#transport = transport;
    this.#address = address;
    this.#guests = guests;
    this.judgesMemory = judgesMemory;
    this.#stop = stop;
  }

  generate(random: SimRandom): Uint8Array {
    const hello = random.pick(this.#hellos);
    return random.chance(0.5) ? hello.slice(0, random.between(0, hello.length)) : hello;
  }

  async run(input: Uint8Array, random: SimRandom): Promise<Met> {
    const stranger = new Stranger();
    const connection = this.#transport.connect(this.#address, CONNECT_MS, stranger);
    await until(() => stranger.opened || stranger.closed, "a connection");
    for (const chunk of cut(input, random).slice(0, CHUNKS_MAX)) {
      if (stranger.closed) break;
      connection.write(chunk.slice());
      if (random.chance(0.5)) await turn();
    }
    await until(() => this.#guests.length > 0 || stranger.closed, "the listener's end");
    if (random.chance(0.5)) connection.close();
    else connection.destroy();
    await until(() => this.#guests.every(({ closed }) => closed > 0), "the end of a stranger");
    const strangers = this.#guests.splice(0);
    for (const { opened, closed, bytes } of strangers) {
      if (opened || bytes > 0) throw new Error(`a stranger got through with ${bytes} bytes`);
      if (closed !== 1) throw new Error(`a stranger was over ${closed} times`);
    }
    if (++this.#runs % HONEST_EVERY === 0) await this.#greet();
    return new Set(strangers.map(({ reason }) => reason).concat(stranger.bytes > 0 ? `answered ${stranger.first}` : "silence"));
  }

  async close(): Promise<void> {
    await this.#stop();
  }

  /** Somebody who speaks TLS is let in and heard. */
  async #greet(): Promise<void> {
    const guest = new Stranger();
    const connection = this.#transport.connect(this.#address, CONNECT_MS, guest, { tls: testTlsClient() });
    await until(() => guest.opened || guest.closed, "a handshake");
    connection.write(GREETING.slice());
    await until(() => guest.closed || guest.bytes === GREETING.length, "an answer");
    if (guest.closed) throw new Error("somebody who speaks TLS was turned away");
    connection.close();
    await until(() => this.#guests.every(({ closed }) => closed === 1), "the end of a guest");
    this.#guests.length = 0;
  }
}

/** The listener's end: says what it hears. */
class Guest implements ConnectionHandler {
  readonly #connection: Connection;
  opened = false;
  closed = 0;
  bytes = 0;
  reason = "no reason";

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  onOpen(): void {
    this.opened = true;
  }

  onData(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#connection.write(chunk.slice());
  }

  onDrain(): void {}

  onEnd(): void {
    this.#connection.close();
  }

  onClose(error?: Error): void {
    this.closed++;
    if (error !== undefined) this.reason = error.message.replace(/\d+/g, "N").slice(0, 80);
  }
}

/** The other end. */
class Stranger implements ConnectionHandler {
  opened = false;
  closed = false;
  bytes = 0;
  /** The first byte of what came back: the kind of a TLS record. */
  first = -1;

  onOpen(): void {
    this.opened = true;
  }

  onData(chunk: Uint8Array): void {
    if (this.bytes === 0) this.first = chunk[0] ?? -1;
    this.bytes += chunk.length;
  }

  onDrain(): void {}
  onEnd(): void {}

  onClose(): void {
    this.closed = true;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function until(done: () => boolean, what: string): Promise<void> {
  const startMs = performance.now();
  while (!done()) {
    if (performance.now() - startMs > PATIENCE_MS) throw new Error(`${what} does not come`);
    await turn();
  }
}
