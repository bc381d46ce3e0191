/** `flare scan` and `flare delete --prefix` as programs: what they print, where, and with which status they end. */

import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Client, type Cluster, detectRuntime, startCluster } from "../../mod.ts";
import { type Finished, runProgram } from "../support/spawn.ts";

let cluster: Cluster;
let client: Client;

before(async () => {
  const runtime = detectRuntime({ programName: "test", logLevel: "error" });
  cluster = await startCluster({ runtime, nodes: 3, partitions: 2 });
  client = new Client({ runtime, ...cluster.addresses[2] });
  for (let i = 0; i < 20; i++) await client.set(`user:${String(i).padStart(2, "0")}`, `v${i}`, { flags: i });
  await client.set("zoë", Uint8Array.of(0xff, 0x0a));
});

after(async () => {
  client.close();
  await cluster.stop();
});

function flare(...args: readonly string[]): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: `${cluster.indexAddress.host}:${cluster.indexAddress.port}` });
}

async function keysLeft(): Promise<number> {
  let count = 0;
  for await (const _ of client.scan()) count++;
  return count;
}

describe("flare scan", () => {
  it("prints keys in their order on stdout, and how many on stderr", async () => {
    const { status, stdout, stderr } = await flare("scan");
    const lines = stdout.split("\n");
    assertEquals([status, lines.length, lines[0], lines[19]], [0, 22, "user:00", "user:19"]);
    assertMatch(stderr, /^21 keys, \d+ keys\/s\n$/);
    assertEquals(
      (await flare("scan", "--prefix", "user:1", "--limit", "3", "--rate", "1000")).stdout,
      "user:10\nuser:11\nuser:12\n",
    );
    assertEquals((await flare("scan", "--prefix", "nobody")).stdout, "");
  });

  it("prints items that restore reads", async () => {
    const { stdout } = await flare("scan", "--values", "--prefix", "user:0", "--limit", "2");
    assertEquals(stdout, "user:00 0 2 1 0 'v0'\nuser:01 1 2 1 0 'v1'\n# end of dump items=2 bytes=42 crc32=a24fbbdd\n");
    const all = await flare("scan", "--values", "--prefix", "user:");
    const args = ["restore", "-o", "json", "--index-server", `127.0.0.1:${cluster.indexAddress.port}`];
    const restored = await runProgram("flare", args, {}, new TextEncoder().encode(all.stdout));
    assertStringIncludes(restored.stdout, '"stored": 20');
  });

  it("prints JSON that can be read as a whole", async () => {
    const items = JSON.parse((await flare("scan", "-o", "json", "--values")).stdout) as Record<string, unknown>[];
    assertEquals(items.length, 21);
    assertEquals(items[3]?.key, "user:03");
    assertEquals([items[3]?.value, items[3]?.flags, items[3]?.bytes], ["v3", 3, 2]);
    assertEquals([items[20]?.key, items[20]?.valueBase64], ["zoë", "/wo="]);
    assertEquals((await flare("scan", "-o", "json", "--prefix", "nobody")).stdout, "[]\n");
  });

  it("refuses wrong options", async () => {
    assertEquals((await flare("scan", "--limit", "0")).status, 2);
    assertEquals((await flare("scan", "--rate", "x")).status, 2);
  });
});

describe("flare delete --prefix", () => {
  it("shows what it would delete", async () => {
    const { status, stdout, stderr } = await flare("delete", "--prefix", "user:0", "--dry-run", "--limit", "2");
    assertEquals([status, stdout], [0, "user:00\nuser:01\n"]);
    assertStringIncludes(stderr, "2 keys that begin with user:0 would be deleted");
    assertEquals(await keysLeft(), 21);
  });

  it("deletes nothing when there is nobody to ask", async () => {
    const { status, stdout, stderr } = await flare("delete", "--prefix", "user:");
    assertEquals([status, stdout], [1, ""]);
    assertStringIncludes(stderr, "--force is required");
    assertEquals(await keysLeft(), 21);
  });

  it("deletes up to a limit, then the rest", async () => {
    const some = await flare("delete", "--prefix", "user:", "--limit", "15", "--force");
    assertEquals([some.status, some.stdout], [0, "DELETED 15\n"]);
    assertStringIncludes(some.stderr, "there may be more");
    const rest = await flare("delete", "--prefix", "user:", "--force", "-o", "json");
    assertEquals(JSON.parse(rest.stdout), { prefix: "user:", deleted: 5, complete: true });
    assertEquals((await flare("delete", "--prefix", "user:")).stdout, "DELETED 0\n");
    assertEquals(await keysLeft(), 1);
  });

  it("refuses what it cannot understand before it asks anybody", async () => {
    for (const args of [[], ["a", "--prefix", "b"], ["a", "--force"], ["a", "--dry-run"], ["--prefix", ""]]) {
      const { status, stdout, stderr } = await flare("delete", ...args);
      assertEquals([status, stdout], [2, ""], args.join(" "));
      assertMatch(stderr, /^flare: .*prefix/);
    }
    assertEquals(await keysLeft(), 1);
  });
});
