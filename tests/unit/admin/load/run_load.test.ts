/**
 * A load on servers that answer right, wrong, late or not at all: what it sends, counts and leaves behind.
 *
 * Covers lib/admin/load/load_connection.ts, lib/admin/load/load_items.ts, lib/admin/load/load_options.ts,
 * lib/admin/load/load_text.ts, lib/admin/load/load_work.ts and lib/admin/load/process_cpu.ts.
 */

import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { LOAD_DEFAULTS, type LoadOptions } from "../../../../lib/admin/load/load_options.ts";
import { loadLines, loadRecord } from "../../../../lib/admin/load/load_text.ts";
import { parseCpuSeconds, processCpuSeconds } from "../../../../lib/admin/load/process_cpu.ts";
import { type LoadLatencies, type LoadResult, runLoad } from "../../../../lib/admin/load/run_load.ts";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import type { HostPort } from "../../../../lib/base/host_port.ts";
import type { Connection } from "../../../../lib/runtime/runtime.ts";
import { FlareError, startCluster } from "../../../../mod.ts";
import { clientRuntime, HOST } from "../../../support/daemon.ts";

const runtime = clientRuntime();

function options(servers: readonly HostPort[], more: Partial<LoadOptions> = {}): LoadOptions {
  const short = { keys: 200, connections: 4, durationMs: 200, warmUpMs: 50, pids: [] };
  return { ...LOAD_DEFAULTS, ...short, servers, prefix: "flare-bench:test:", ...more };
}

/** A small memcached whose answers a test may spoil. */
class PlayedServer {
  readonly items = new Map<string, string>();
  readonly commands: string[] = [];
  readonly connections = new Set<Connection>();
  address: HostPort = { host: HOST, port: 0 };
  close: () => Promise<void> = async () => undefined;
  /** Changes an answer; undefined is none at all. */
  spoil: (answer: string, command: string, connection: Connection) => string | undefined = (answer) => answer;

  async listen(): Promise<void> {
    const listener = await runtime.transport.listen(this.address, (connection) => {
      let held = "";
      return {
        onOpen: () => void this.connections.add(connection),
        onData: (chunk) => {
          held = this.#serve(held + latin1(chunk), connection);
        },
        onDrain() {},
        onEnd: () => connection.close(),
        onClose: () => void this.connections.delete(connection),
      };
    });
    this.address = listener.address as HostPort;
    this.close = async () => {
      for (const connection of this.connections) connection.destroy();
      await listener.close();
    };
  }

  #serve(text: string, connection: Connection): string {
    let rest = text;
    for (;;) {
      const end = rest.indexOf("\r\n");
      if (end < 0) return rest;
      const command = rest.slice(0, end);
      const [word, ...words] = command.split(" ") as [string, ...string[]];
      const bytes = word === "set" ? Number(words[3]) + 2 : 0;
      if (rest.length < end + 2 + bytes) return rest;
      const value = rest.slice(end + 2, end + bytes);
      rest = rest.slice(end + 2 + bytes);
      this.commands.push(command);
      const answer = this.spoil(this.#answer(word, words, value), command, connection);
      if (answer !== undefined) connection.write(fromLatin1(answer));
    }
  }

  #answer(word: string, words: readonly string[], value: string): string {
    const [key = ""] = words;
    if (word === "set") this.items.set(key, value);
    if (word === "set") return "STORED\r\n";
    if (word === "delete") return this.items.delete(key) ? "DELETED\r\n" : "NOT_FOUND\r\n";
    const found = words.filter((each) => this.items.has(each));
    const blocks = found.map((each) => `VALUE ${each} 0 ${this.items.get(each)?.length}\r\n${this.items.get(each)}\r\n`);
    return `${blocks.join("")}END\r\n`;
  }
}

async function withServer(work: (server: PlayedServer) => Promise<void>): Promise<void> {
  const server = new PlayedServer();
  await server.listen();
  try {
    await work(server);
  } finally {
    await server.close();
  }
}

describe("a load", () => {
  it("is right on a cluster, through all of its nodes, and leaves nothing behind", async () => {
    await using cluster = await startCluster({ runtime, partitions: 2 });
    using client = cluster.client();
    await client.set("mine", "value");
    const shape = { depth: 4, keysPerGet: 3, valueBytes: 1000, getPercent: 60 };
    const result = await runLoad(runtime, options(cluster.addresses, shape));
    assertEquals([result.wrong, result.errors, result.broken, result.misses, result.samples], [0, 0, 0, 0, []]);
    assertEquals([result.gets + result.sets, result.keysRead, result.removed], [result.requests, 3 * result.gets, 200]);
    assert(result.gets > 0 && result.sets > 0 && result.seconds >= 0.2 && result.ownCpu > 0, JSON.stringify(result));
    const { p50, p99, max, mean } = result.latencyUs as LoadLatencies;
    assert(p50 > 0 && p50 <= p99 && p99 <= max && mean <= max);
    const left: string[] = [];
    for await (const { key } of client.scan()) left.push(latin1(key));
    assertEquals(left, ["mine"]);
  });

  it("writes and removes no key outside of its prefix", async () => {
    await withServer(async (server) => {
      await runLoad(runtime, options([server.address], { keysPerGet: 2 }));
      const keys = server.commands.flatMap((command) => {
        const [word, ...words] = command.split(" ");
        return word === "get" ? words : words.slice(0, 1);
      });
      assertEquals(new Set(keys).size, 200);
      assert(keys.every((key) => /^flare-bench:test:\d{3}$/.test(key)));
      // Whoever is killed leaves items that expire.
      assertMatch(server.commands[0] ?? "", /^set flare-bench:test:\d{3} 0 3601 100$/);
      assertEquals(server.items.size, 0);
      const before = server.commands.length;
      for (const prefix of ["", "user:", "flare-bench", "flare-bench:a b", `flare-bench:${"x".repeat(100)}`]) {
        const error = await assertRejects(() => runLoad(runtime, options([server.address], { prefix })), FlareError);
        assertEquals((error as FlareError).code, "INVALID_OPTION", prefix);
      }
      assertEquals(server.commands.length, before);
    });
  });

  it("always has as many requests under way as asked for, and no more", async () => {
    await withServer(async (server) => {
      let [waiting, most] = [0, 0];
      const answers: (() => void)[] = [];
      server.spoil = (answer, command, connection) => {
        if (!command.startsWith("get")) return answer;
        most = Math.max(most, ++waiting);
        answers.push(() => {
          waiting--;
          connection.write(fromLatin1(answer));
        });
        setTimeout(() => answers.shift()?.(), 2);
        return undefined;
      };
      await runLoad(runtime, options([server.address], { connections: 1, depth: 7, getPercent: 100 }));
      assertEquals(most, 7);
    });
  });

  it("counts what is wrong, and says it", async () => {
    const spoilt: [name: string, answer: (right: string) => string, wrong: RegExp][] = [
      ["a byte of a value", (right) => right.replace(/\r\nA/, "\r\nz"), /^VALUE /],
      ["flags", (right) => right.replace(" 0 ", " 1 "), /^VALUE /],
      ["another key", (right) => right.replace("VALUE flare-bench", "VALUE flare-other"), /^VALUE /],
      ["a value twice", (right) => right.replace(/^(VALUE[\s\S]*)END/, "$1$1END"), /^VALUE /],
      ["another word", () => "STORED\r\n", /^malformed reply/],
    ];
    for (const [name, change, sample] of spoilt) {
      await withServer(async (server) => {
        let left = 1;
        server.spoil = (answer, command) => {
          const changed = command.startsWith("get") && left > 0 ? change(answer) : answer;
          if (changed !== answer) left--;
          return changed;
        };
        const result = await runLoad(runtime, options([server.address], { getPercent: 100, durationMs: 400 }));
        // What is no reply at all ends the connection, whose requests are lost with it.
        assertEquals([result.wrong, result.errors, result.removed], [1, result.broken, 200], name);
        assertMatch(result.samples[0] ?? "", sample, name);
      });
    }
  });

  it("counts errors and misses, which are no wrong answers", async () => {
    await withServer(async (server) => {
      let refusals = 3;
      server.spoil = (answer, command) => {
        if (command.startsWith("set") && server.items.size === 200 && refusals-- > 0) return "SERVER_ERROR full\r\n";
        return command === "get flare-bench:test:007" ? "END\r\n" : answer;
      };
      const result = await runLoad(runtime, options([server.address], { getPercent: 50, durationMs: 500 }));
      assertEquals([result.wrong, result.errors, result.samples[0]], [0, 3, "SERVER_ERROR full"]);
      assert(result.misses > 0);
      const lines = loadLines(options([server.address]), result).join("\n");
      assertStringIncludes(lines, "0 wrong, 3 errors, 0 broken connections");
      assertStringIncludes(lines, "warning: keys that were stored were not found");
    });
  });

  it("opens broken connections again, and stores and removes what was lost with them", async () => {
    await withServer(async (server) => {
      let commands = 0;
      server.spoil = (answer, command, connection) => {
        // The first of a set, of a get, and of a delete.
        if (++commands !== 50 && !(command.startsWith("delete") && server.items.size === 150)) return answer;
        connection.destroy();
        return undefined;
      };
      const result = await runLoad(runtime, options([server.address]));
      assertEquals([result.broken, result.wrong, result.misses, result.removed], [2, 0, 0, 200]);
      assertMatch(result.samples[0] ?? "", /^a connection broke: /);
      assertEquals(server.items.size, 0);
    });
  });

  it("ends early when it is interrupted, without its keys", async () => {
    await withServer(async (server) => {
      const stop = new AbortController();
      const run = { signal: stop.signal, onProgress: (text: string) => text.startsWith("measuring") && stop.abort() };
      const result = await runLoad(runtime, options([server.address], { durationMs: 86_400_000 }), {}, run);
      assertEquals([result.isInterrupted, server.items.size], [true, 0]);
      const early = { signal: AbortSignal.abort() };
      await assertRejects(() => runLoad(runtime, options([server.address]), {}, early), FlareError, "interrupted");
      assertEquals(server.items.size, 0);
    });
  });

  it("fails when nothing is stored, as without a login", async () => {
    await withServer(async (server) => {
      server.spoil = () => "CLIENT_ERROR unauthenticated\r\n";
      const error = await assertRejects(() => runLoad(runtime, options([server.address])), FlareError);
      assertEquals(
        [(error as FlareError).code, (error as FlareError).message],
        ["REFUSED", 'the servers have stored none of 200 keys: "CLIENT_ERROR unauthenticated"'],
      );
      assert(!server.commands.some((command) => command.startsWith("get")));
    });
  });

  it("fails when nobody answers", async () => {
    const nobody = { host: HOST, port: 1 };
    const error = await assertRejects(() => runLoad(runtime, options([nobody])), FlareError);
    assertEquals((error as FlareError).code, "CONNECTION_FAILED");
    await withServer(async (server) => {
      server.spoil = () => undefined;
      const said: string[] = [];
      const run = { onProgress: (text: string) => void said.push(text) };
      const silent = () => runLoad(runtime, options([server.address]), { replyTimeoutMs: 100 }, run);
      assertEquals(((await assertRejects(silent, FlareError)) as FlareError).code, "TIMED_OUT");
      assertMatch(said.at(-1) ?? "", /flare delete --prefix flare-bench:test:/);
    });
  });
});

describe("what a load has measured", () => {
  const result: LoadResult = {
    ...{ seconds: 2, isInterrupted: false, requests: 1000, gets: 900, sets: 100, keysRead: 900, misses: 0 },
    ...{ wrong: 0, errors: 0, broken: 0, samples: [], ownCpu: 0.5, removed: 10 },
    latencyUs: { mean: 400, p50: 350, p90: 500, p99: 1200, p999: 4000, max: 9000 },
    servers: [{ pid: 12, cpuSeconds: 0.01 }],
  };
  const load = options([{ host: "a", port: 1 }], { pids: [12] });

  it("is said per second and per request", () => {
    const lines = loadLines(load, result);
    assertEquals(lines.slice(1), [
      "requests  500/s: 450/s gets, 50/s sets, in 2.0 s; 0 of 900 keys not found",
      "latency   mean 0.400, p50 0.350, p90 0.500, p99 1.200, p99.9 4.000, max 9.000 ms",
      "replies   0 wrong, 0 errors, 0 broken connections",
      "cpu       server 12: 1 % of a core, 10.00 µs per request",
      "cpu       this program: 50 % of a core",
    ]);
    const record = loadRecord(load, result) as { requestsPerSecond: number; servers: { cpuUsPerRequest: number }[] };
    assertEquals([record.requestsPerSecond, record.servers[0]?.cpuUsPerRequest], [500, 10]);
  });

  it("comes with a warning when the program itself is the limit", () => {
    const last = loadLines(load, { ...result, ownCpu: 0.97 }).at(-1) ?? "";
    assertStringIncludes(last, "warning: this program used 97 % of a core: it is the limit, not the servers");
    assert(!loadLines(load, result).join().includes("warning"));
  });
});

describe("the CPU time of a process", () => {
  it("is read behind the name, whatever that is", () => {
    const rest = `S 1 ${"0 ".repeat(9)}150 50 ${"0 ".repeat(20)}`;
    assertEquals(
      [parseCpuSeconds(`7 (node) ${rest}`), parseCpuSeconds(`7 (a b) c) ${rest}`), parseCpuSeconds("x")],
      [2, 2, undefined],
    );
  });

  it("grows, and is not that of nobody", async () => {
    const before = await processCpuSeconds(runtime.files, process.pid);
    const endMs = performance.now() + 60_000;
    while ((await processCpuSeconds(runtime.files, process.pid)) === before) assert(performance.now() < endMs);
    await assertRejects(() => processCpuSeconds(runtime.files, 2 ** 30), FlareError, "is no process of this machine");
  });
});
