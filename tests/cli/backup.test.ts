/**
 * Failing backups: an incomplete dump is not kept and never replaces an earlier one, and is not restored unless the operator
 * insists.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cluster, startCluster } from "../../mod.ts";
import { type Finished, runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const itemCount = 200;
let cluster: Cluster;
let index: string;

before(async () => {
  cluster = await startCluster({ partitions: 2, logLevel: "error" });
  index = `${cluster.indexAddress.host}:${cluster.indexAddress.port}`;
  await flare(["restore", "--accept-incomplete"], records(itemCount));
});

after(() => cluster.stop());

function flare(args: readonly string[], input?: string): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: index }, input);
}

function records(count: number): string {
  return Array.from({ length: count }, (_, i) => `key${i} 0 ${`value ${i}`.length} 1 0 'value ${i}'\n`).join("");
}

async function keysThere(): Promise<number> {
  return (await flare(["scan"])).stdout.split("\n").length - 1;
}

describe("a dump", () => {
  it("ends with a line that restore checks, in a file and on stdout", async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, "backup");
      for (const format of ["default", "csv"]) {
        assertEquals((await flare(["dump", "-f", format, "-o", path])).status, 0);
        const { stdout } = await flare(["dump", "-f", format, "-o", "-"]);
        assertMatch(stdout, new RegExp(`\n# end of dump items=${itemCount} bytes=\\d+ crc32=[0-9a-f]{8}\n$`));
        assertEquals(readFileSync(path, "utf8").length, stdout.length);
        for (const restored of [
          await flare(["restore", "-f", format, "-i", path]),
          await flare(["restore", "-f", format], stdout + stdout),
        ]) {
          assertEquals(restored.status, 0, restored.stderr);
          assertStringIncludes(restored.stderr, " stored\n");
        }
      }
      assertEquals(readdirSync(directory), ["backup"]);
    });
  });

  for (const [fault, answers, message] of [
    ["loses its node", ["ITEM"], "ended early"],
    ["hits damage", ["ITEM", "SERVER_ERROR storage error\r\n"], 'answered "SERVER_ERROR storage error" to "dump"'],
    [
      "finds its node in another place afterwards",
      ["ITEM", "END\r\n"],
      "the masters of the cluster changed while it was dumped",
    ],
  ] as const) {
    it(`that ${fault} fails and leaves the earlier file as it was`, async () => {
      const played = await PlayedCluster.start(answers);
      try {
        await withTemporaryDirectory(async (directory) => {
          const path = join(directory, "backup");
          const args = ["dump", "-i", played.address, "-o"];
          const first = await runProgram("flare", [...args, path]);
          assertEquals([first.status, readdirSync(directory)], [1, []], first.stderr);
          assertMatch(first.stderr, new RegExp(`^the dump failed after [01] items; "${path}" was not written\n`));
          writeFileSync(path, "yesterday's");
          const second = await runProgram("flare", [...args, path]);
          assertEquals([second.status, readFileSync(path, "utf8"), readdirSync(directory)], [1, "yesterday's", ["backup"]]);
          assertMatch(second.stderr, new RegExp(`^the dump failed after [01] items; "${path}" is unchanged\n`));
          assertStringIncludes(second.stderr, message);
          const piped = await runProgram("flare", [...args, "-"]);
          assertEquals([piped.status, piped.stdout.includes("#")], [1, false], piped.stderr);
        });
      } finally {
        await played.stop();
      }
    });
  }
});

describe("a dump that is not complete", () => {
  it("is refused with its line before anything is stored", async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, "backup");
      await flare(["dump", "-o", path]);
      const whole = readFileSync(path, "utf8");
      const lines = whole.split("\n");
      const cutAtLine = `${lines.slice(0, 150).join("\n")}\n`;
      await flare(["delete", "--prefix", "key", "--force"]);
      for (const [text, message] of [
        [cutAtLine, 'the dump ends after line 150 without an end line, "# end of dump …"'],
        [cutAtLine.slice(0, -8), "line 150 of the dump "],
        [whole.replace("value 7", "value 8"), `line ${itemCount + 1} of the dump has the checksum`],
      ] as const) {
        writeFileSync(path, text);
        const { status, stderr } = await flare(["restore", "-i", path]);
        assertEquals(status, 1, stderr);
        assertStringIncludes(stderr, `flare: ${message}`);
        assertStringIncludes(stderr, "; --accept-incomplete restores the readable part\n");
      }
      assertEquals(await keysThere(), 0);
      writeFileSync(path, cutAtLine.slice(0, -8));
      const insisting = await flare(["restore", "-i", path, "--accept-incomplete"]);
      assertEquals([insisting.status, await keysThere()], [1, 149], insisting.stderr);
    });
  });

  it("from a pipe is refused at its end, with what was stored", async () => {
    await flare(["delete", "--prefix", "key", "--force"]);
    const { status, stderr } = await flare(["restore"], records(3));
    assertEquals([status, await keysThere()], [1, 3]);
    assertStringIncludes(stderr, "3 stored\nflare: the dump ends after line 3 without an end line");
    assertEquals((await flare(["restore", "--accept-incomplete"], records(3))).status, 0);
  });
});

/** An index server and the one node it knows, in one: dumps an item, and after that what a test wants. */
class PlayedCluster {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #dumped = false;

  private constructor(server: Server, address: string, dump: readonly string[]) {
    this.#server = server;
    this.address = address;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        for (const line of chunk.toString().split("\r\n").filter(Boolean)) {
          if (!line.startsWith("dump")) socket.write(this.#answer(line));
          else {
            this.#dumped = dump.includes("END\r\n");
            for (const part of dump) socket.write(part === "ITEM" ? "VALUE k 0 1 1 0\r\nv\r\n" : part);
            if (dump.length === 1) socket.end();
          }
        }
      });
    });
  }

  static async start(dump: readonly string[]): Promise<PlayedCluster> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    return new PlayedCluster(server, `127.0.0.1:${port}`, dump);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The node is master until it was dumped; from then on it is a proxy. */
  #answer(line: string): string {
    if (line === "meta") return "META partition-type modular\r\nMETA partition-modular-hint 1\r\nEND\r\n";
    if (line !== "stats nodes") return "STAT node_map_version 5\r\nSTAT curr_items 1\r\nEND\r\n";
    const fields = this.#dumped
      ? { role: "proxy", state: "active", partition: -1, balance: 0, thread_type: 16 }
      : { role: "master", state: "active", partition: 0, balance: 1, thread_type: 16 };
    this.#dumped = false;
    return `${Object.entries(fields)
      .map(([name, value]) => `STAT ${this.address}:${name} ${value}\r\n`)
      .join("")}END\r\n`;
  }
}
