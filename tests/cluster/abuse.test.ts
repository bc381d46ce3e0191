/**
 * Hostile or broken clients against a server in its own process: its memory stays within a stated limit, other clients are
 * served, and it is healthy afterwards.
 *
 * Runs alone: it measures times.
 */

import { readFileSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { Address, Connection, ConnectionHandler, Runtime } from "../../lib/runtime/runtime.ts";
import { clientRuntime, NodeDaemon, residentBytes, waitUntil } from "../support/daemon.ts";
import type { LineClient } from "../support/line_client.ts";
import { skipUnless } from "../support/skip.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

const MIB = 1048576;
const BIG_BYTES = MIB;
/** The server's own limits (see the options it is started with) and what its garbage collector leaves lying about. */
const GROWTH_BYTES_MAX = 200 * MIB;
/** Ten dumps of megabytes at the same time, each with a slice and a reply in the making. */
const DUMPS_BYTES_MAX = 300 * MIB;
const REQUEST_MEMORY_MIB = 32;
const MEDIAN_MS_MAX = 100;
const WORST_MS_MAX = 3000;
const PROBE_PAUSE_MS = 5;
/** Also after a short attack memory and latency are looked at this often. */
const PROBES_MIN = 20;
const MANY_CONNECTIONS = 10000;
const CONNECTIONS_AT_ONCE = 250;

/** A connection whose bytes are counted, and which need not read. */
class RawClient implements ConnectionHandler {
  receivedBytes = 0;
  /** The first bytes received. */
  head = "";
  closed = false;
  readonly connection: Connection;
  #blocked = false;
  #wake: (() => void)[] = [];

  constructor(runtime: Runtime, address: Address) {
    this.connection = runtime.transport.connect(address, 10000, this);
  }

  static async open(runtime: Runtime, address: Address): Promise<RawClient> {
    const client = new RawClient(runtime, address);
    await new Promise<void>((resolve) => client.#wake.push(resolve));
    assert(!client.closed, "the connection was refused");
    return client;
  }

  /** Gives the connection bytes until all are sent, the other side takes no more for `patienceMs`, or it has closed. */
  async send(bytes: Uint8Array, patienceMs = 1000): Promise<"sent" | "stuck" | "closed"> {
    const step = 65536;
    for (let at = 0; at < bytes.length && !this.closed; at += step) {
      this.#blocked = !this.connection.write(bytes.slice(at, at + step));
      if (!this.#blocked) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      if (this.#blocked && !this.closed) return "stuck";
    }
    return this.closed ? "closed" : "sent";
  }

  onOpen(): void {
    this.#wakeAll();
  }

  onData(chunk: Uint8Array): void {
    this.receivedBytes += chunk.length;
    if (this.head.length < 200) this.head += latin1(chunk, 0, Math.min(chunk.length, 200));
  }

  onDrain(): void {
    this.#blocked = false;
    this.#wakeAll();
  }

  onEnd(): void {
    this.connection.destroy();
  }

  onClose(): void {
    this.closed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

/** A client that minds its own business, with its latencies and the server's memory beside it. */
class Bystander {
  residentBytesMax = 0;
  readonly latenciesMs: number[] = [];
  readonly wrong: string[] = [];
  readonly #client: LineClient;
  readonly #pid: number;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(client: LineClient, pid: number) {
    this.#client = client;
    this.#pid = pid;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stopped || number < PROBES_MIN; number++) {
      const startMs = performance.now();
      const value = `value ${number}`;
      const stored = await this.#client.ask(`set bystander 0 0 ${value.length}\r\n${value}\r\n`);
      const item = (await this.#client.gets(["bystander"])).get("bystander");
      this.latenciesMs.push((performance.now() - startMs) / 2);
      if (stored !== "STORED" || item?.value !== value) this.wrong.push(`${stored} ${item?.value}`);
      this.residentBytesMax = Math.max(this.residentBytesMax, residentBytes(this.#pid));
      await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
    }
  }
}

describe("abuse", () => {
  let runtime: Runtime;
  let node: NodeDaemon;
  let directory: string;
  const clients: RawClient[] = [];

  before(async () => {
    runtime = clientRuntime();
    directory = makeTemporaryDirectory();
    node = await NodeDaemon.start(runtime, directory, [
      ...["--memory-limit", "64", "--max-connection", String(MANY_CONNECTIONS + 1000), "--back-log", "1024"],
      ...["--request-memory-limit", String(REQUEST_MEMORY_MIB), "--output-high-water", "1024"],
    ]);
    const client = await node.connect();
    const big = await client.ask(`set big 0 0 ${BIG_BYTES}\r\n${"b".repeat(BIG_BYTES)}\r\n`);
    assertEquals(big, "STORED");
    client.close();
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.connection.destroy();
    await waitUntil(async () => Number((await node.stats()).get("curr_connections")) <= 3, "all connections are closed");
  });

  after(async () => {
    const { stderr } = await node.end("SIGTERM");
    await node.clear();
    removeTemporaryDirectory(directory);
    assert(!stderr.includes("unexpectedly"), stderr);
  });

  async function open(): Promise<RawClient> {
    const client = await RawClient.open(runtime, node.address);
    clients.push(client);
    return client;
  }

  /** Runs an attack beside a bystander and checks what it does to the server. */
  async function during(what: string, attack: () => Promise<void>, growthBytesMax = GROWTH_BYTES_MAX): Promise<void> {
    const beforeBytes = residentBytes(node.pid);
    const bystander = new Bystander(await node.connect(), node.pid);
    try {
      await attack();
    } finally {
      await bystander.stop();
    }
    const sorted = bystander.latenciesMs.sort((left, right) => left - right);
    const medianMs = sorted[sorted.length >> 1] ?? 0;
    const worstMs = sorted.at(-1) ?? 0;
    const grownBytes = bystander.residentBytesMax - beforeBytes;
    console.info(
      `${what}: ${Math.round(beforeBytes / MIB)} MiB + ${Math.round(grownBytes / MIB)} MiB, ` +
        `bystander median ${medianMs.toFixed(1)} ms, worst ${worstMs.toFixed(0)} ms (${sorted.length})`,
    );
    assertEquals(bystander.wrong, []);
    assert(grownBytes <= growthBytesMax, `the server has grown by ${grownBytes} bytes`);
    assert(medianMs <= MEDIAN_MS_MAX, `median ${medianMs} ms`);
    assert(worstMs <= WORST_MS_MAX, `worst ${worstMs} ms`);
  }

  it("keeps little for pipelining clients that do not read, and gives them all when they do", async () => {
    const readers: RawClient[] = [];
    const requests = 200;
    await during("never reading", async () => {
      for (let number = 0; number < 5; number++) {
        const client = await open();
        client.connection.pause();
        readers.push(client);
      }
      const get = fromLatin1("get big\r\n".repeat(requests));
      await Promise.all(readers.map((client) => client.send(get)));
      await pause(1000);
      const [first] = readers;
      assert(first !== undefined);
      first.connection.resume();
      const reply = `VALUE big 0 ${BIG_BYTES}\r\n`.length + BIG_BYTES + "\r\nEND\r\n".length;
      await waitUntil(() => first.receivedBytes >= requests * reply, "all replies arrive");
      assertEquals(first.receivedBytes, requests * reply);
    });
  });

  it("builds the reply of one request for a thousand megabytes as it is read", async () => {
    await during("one huge get", async () => {
      for (let number = 0; number < 3; number++) {
        const client = await open();
        client.connection.pause();
        await client.send(fromLatin1(`get${" big".repeat(1000)}\r\n`));
      }
      await pause(1500);
    });
  });

  it("waits for clients that send byte by byte", async () => {
    await during("byte by byte", async () => {
      const slow = await Promise.all(Array.from({ length: 50 }, open));
      const request = fromLatin1("set slow 0 0 5\r\nslow!\r\nget slow\r\n");
      for (const byte of request) {
        for (const client of slow) await client.send(Uint8Array.of(byte));
        await pause(20);
      }
      for (const client of slow) {
        await waitUntil(() => client.head.endsWith("END\r\n"), "the slow request is answered");
        assertEquals(client.head, "STORED\r\nVALUE slow 0 5\r\nslow!\r\nEND\r\n");
      }
    });
  });

  it(`serves ${MANY_CONNECTIONS} connections`, {
    skip: skipUnless(openFilesMax() > MANY_CONNECTIONS + 1000, `a limit of ${MANY_CONNECTIONS + 1000} open files`),
  }, async () => {
    await during("many connections", async () => {
      while (clients.length < MANY_CONNECTIONS) {
        await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, open));
      }
      const ask = fromLatin1("get bystander\r\n");
      for (let number = 0; number < clients.length; number += 10) await clients[number]?.send(ask);
      for (let number = 0; number < clients.length; number += 10) {
        const client = clients[number] as RawClient;
        await waitUntil(() => client.head.endsWith("END\r\n") || client.closed, `connection ${number} is served`);
        assertStringIncludes(client.head, "VALUE bystander");
      }
    });
  });

  it("gives up a line of a hundred megabytes long before its end", async () => {
    const readBytes = async () => Number((await node.stats()).get("bytes_read"));
    const beforeBytes = await readBytes();
    await during("endless line", async () => {
      const client = await open();
      // What the sender's system took says nothing of what the server read, so the server is asked for that.
      await client.send(new Uint8Array(100 * MIB).fill(0x61));
      await waitUntil(() => client.closed, "the connection is closed");
    });
    assert((await readBytes()) - beforeBytes < 10 * MIB, "the server has read on");
  });

  it("spends no memory on announced bytes that do not come", async () => {
    await during("announced", async () => {
      for (let number = 0; number < 200; number++) {
        const client = await open();
        await client.send(fromLatin1(`set huge-${number} 0 0 2147483645\r\n${"h".repeat(1000)}`));
      }
      await pause(500);
    });
  });

  it("refuses values beyond the memory for requests and goes on", async () => {
    await during("too large", async () => {
      const client = await open();
      await client.send(fromLatin1(`set huge 0 0 ${100 * MIB}\r\n`));
      await client.send(new Uint8Array(100 * MIB).fill(0x68));
      await client.send(fromLatin1("\r\nversion\r\n"));
      await waitUntil(() => client.head.includes("VERSION") || client.closed, "the next request is answered");
      assert(/^SERVER_ERROR [^\r]+\r\nVERSION /.test(client.head), client.head);
    });
  });

  it("survives random bytes and random commands", async () => {
    const words = [
      "get",
      "set",
      "gets",
      "cas",
      "incr",
      "delete",
      "touch",
      "dump",
      "stats",
      "node",
      "<a:1,b:2>",
      "\r\n",
      " ",
      "0",
    ];
    const pick = (): string => words[Math.floor(Math.random() * words.length)] as string;
    await during(
      "random",
      async () => {
        for (let number = 0; number < 20; number++) {
          const client = await open();
          const bytes = new Uint8Array(8192);
          if (number % 2 === 0) {
            for (let at = 0; at < bytes.length; at++) bytes[at] = Math.random() * 256;
            // The first byte 0x80 would only end the connection.
            bytes[0] = 0x20;
          } else {
            bytes.set(fromLatin1(Array.from({ length: 900 }, pick).join(" ")).subarray(0, bytes.length));
          }
          await client.send(bytes);
        }
        await pause(200);
      },
      DUMPS_BYTES_MAX,
    );
  });
});

/** How many files this process may open; the runtimes raise the soft limit to the hard one. */
function openFilesMax(): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
