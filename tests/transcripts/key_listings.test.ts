/**
 * memcached's listings of keys and the other words of `lru_crawler`: the answers of ours beside those of memcached itself,
 * line for line but for what only one of them can have.
 */

import { spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Runtime } from "../../mod.ts";
import { clientRuntime } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { skipUnless } from "../support/skip.ts";
import { TextClient } from "../support/text_client.ts";
import { isInstalled, runTool } from "../support/tools.ts";

const hasMemcached = isInstalled("memcached");
const ANSWER_END = /(?:END|EN|OK|[A-Z]+_ERROR [^\r]*|ERROR[^\r]*|(?:BADCLASS|BUSY|LOCKED) [^\r]*)\r\n$/;
const ITEMS =
  "set plain 7 0 5\r\nhello\r\nset with%sign 0 1000 1\r\nx\r\nset \xe6\x97\xa5 0 0 0\r\n\r\nset old 0 -1 1\r\nx\r\n";

/** Requests that are answered alike, in the order in which they are sent. */
const ALIKE = [
  "lru_crawler",
  "lru_crawler metadump",
  "lru_crawler metadump foo",
  "lru_crawler metadump 0",
  "lru_crawler metadump 64",
  "lru_crawler metadump 1,foo",
  "lru_crawler metadump all all",
  "lru_crawler metadump 5",
  "lru_crawler enable",
  "lru_crawler enable foo",
  "lru_crawler disable",
  "lru_crawler disable",
  "lru_crawler metadump all",
  "lru_crawler crawl all",
  "lru_crawler crawl foo",
  "lru_crawler enable",
  "lru_crawler enable",
  "lru_crawler sleep",
  "lru_crawler sleep 0",
  "lru_crawler sleep 1000000",
  "lru_crawler sleep 1000001",
  "lru_crawler sleep -1",
  "lru_crawler sleep x",
  "lru_crawler sleep 100",
  "lru_crawler tocrawl",
  "lru_crawler tocrawl 5",
  "lru_crawler tocrawl x",
  "lru_crawler tocrawl -1",
  "lru_crawler tocrawl 0",
  "lru_crawler crawl",
  "lru_crawler crawl foo",
  "lru_crawler crawl 0",
  "lru_crawler crawl 2",
  "lru_crawler foo",
  "lru_crawler foo bar",
  "lru_crawler foo bar baz",
  "stats cachedump",
  "stats cachedump 1",
  "stats cachedump x 1",
  "stats cachedump 1 x",
  "stats cachedump 1 -1",
  "stats cachedump -1 1",
  "stats cachedump 0 0",
  "stats cachedump 5 0",
  "stats cachedump 63 0",
  "stats cachedump 64 0",
] as const;

/** More than a node would look at by itself while the test runs. */
const EXPIRED_KEYS = 16000;

let runtime: Runtime;
let cluster: LocalCluster;
let ours: TextClient;
let theirs: TextClient | undefined;
let memcached: ReturnType<typeof spawn> | undefined;

before(async () => {
  runtime = clientRuntime();
  cluster = await startOpenCluster({ runtime, partitions: 2, nodes: 3 });
  const { host, port } = cluster.addresses[2] as { host: string; port: number };
  ours = await TextClient.connect(runtime, { host, port });
  if (!hasMemcached) return;
  const free = await freePorts(1);
  memcached = spawn("memcached", ["-u", "nobody", "-l", "127.0.0.1", "-p", String(free), "-U", "0"], { stdio: "ignore" });
  for (let attempt = 0; theirs === undefined; attempt++) {
    assert(attempt < 100, "memcached does not listen");
    theirs = await TextClient.connect(runtime, { host: "127.0.0.1", port: free }).catch(() => undefined);
    if (theirs === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

after(async () => {
  ours.close();
  theirs?.close();
  memcached?.kill();
  await cluster.stop();
});

/** What memcached answers once its crawler has nothing else to do: it starts a thread for it, and lets that run. */
async function askTheirs(request: string): Promise<string> {
  assert(theirs !== undefined);
  for (let attempt = 0; ; attempt++) {
    const answer = await theirs.ask(`${request}\r\n`, ANSWER_END);
    if (!/^(?:BUSY|LOCKED|ERROR an unknown error)/.test(answer) || attempt === 100) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("lru_crawler and stats cachedump", () => {
  it("answer as memcached does", { skip: skipUnless(hasMemcached, "memcached") }, async () => {
    for (const client of [ours, theirs as TextClient]) await client.ask(ITEMS, /(?:STORED\r\n){4}$/);
    for (const request of ALIKE) {
      const wanted = await askTheirs(request);
      assertEquals(await ours.ask(`${request}\r\n`, ANSWER_END), wanted, request);
    }
  });

  it("list the same items in the same form", { skip: skipUnless(hasMemcached, "memcached") }, async () => {
    for (const client of [ours, theirs as TextClient]) {
      await client.ask(ITEMS, /(?:STORED\r\n){4}$/);
      await client.ask("get plain\r\n", /END\r\n$/);
    }
    for (const request of [
      "lru_crawler metadump all",
      "lru_crawler metadump hash",
      "lru_crawler metadump 1",
      "stats cachedump 1 0",
    ]) {
      const wanted = comparable(await askTheirs(request));
      assertEquals(comparable(await ours.ask(`${request}\r\n`, ANSWER_END)), wanted, request);
      assertEquals(wanted.length, 4, request);
    }
  });

  it("list keys that need another form, and expired ones not at all", async () => {
    await ours.ask("ms YSBi 1 b\r\nx\r\n");
    await ours.ask(ITEMS, /(?:STORED\r\n){4}$/);
    assertEquals(
      await ours.ask("lru_crawler mgdump all\r\n", /EN\r\n$/),
      "mg YSBi b\r\nmg plain\r\nmg with%sign\r\nmg \xe6\x97\xa5\r\nEN\r\n",
    );
    assertMatch(
      await ours.ask("lru_crawler metadump all\r\n", /END\r\n$/),
      /^key=a%20b exp=-1 la=\d+ cas=\d+ fetch=no cls=1 size=\d+\n/,
    );
    assertEquals(await ours.ask("stats cachedump 1 2\r\n", /END\r\n$/).then((text) => text.split("\r\n").length), 4);
  });

  it("are what libmemcached's memcdump asks", { skip: skipUnless(isInstalled("memcdump"), "memcdump") }, async () => {
    for (let i = 0; i < 1200; i++) await ours.ask(`set dump:${i} 0 0 1\r\nx\r\n`);
    const { host, port } = cluster.addresses[2] as { host: string; port: number };
    const { status, stdout } = await runTool("memcdump", [`--servers=${host}:${port}`]);
    assertEquals(status, 0);
    const keys = stdout.split("\n").filter((line) => line.startsWith("dump:"));
    assertEquals([keys.length, new Set(keys).size], [1200, 1200]);
  });

  it("cost nothing while nobody reads them", async () => {
    for (let i = 0; i < 300; i++) await ours.ask(`set ${"k".repeat(200)}${i} 0 0 1\r\nx\r\n`);
    const stalled: { destroy(): void }[] = [];
    const { host, port } = cluster.addresses[2] as { host: string; port: number };
    for (let i = 0; i < 12; i++) {
      const connection = runtime.transport.connect({ host, port }, 5000, {
        onOpen: () => {
          connection.pause();
          connection.write(new TextEncoder().encode("lru_crawler metadump all\r\n".repeat(50)));
        },
        onData: () => undefined,
        onDrain: () => undefined,
        onEnd: () => undefined,
        onClose: () => undefined,
      });
      stalled.push(connection);
    }
    // They take places until their connections are full, and none from then on.
    const deadline = performance.now() + 30000;
    for (let inARow = 0; inARow < 5; ) {
      const answer = await ours.ask("lru_crawler metadump all\r\n", ANSWER_END);
      if (answer.startsWith("BUSY")) inARow = 0;
      else if (/^key=[\s\S]*END\r\n$/.test(answer)) inARow++;
      assert(performance.now() < deadline, answer.slice(0, 100));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const connection of stalled) connection.destroy();
  });

  it("remove what has expired when told to crawl", async () => {
    await ours.ask("lru_crawler tocrawl 0\r\n");
    const master = cluster.nodes.find(({ role }) => role === 0);
    assert(master !== undefined);
    const client = await TextClient.connect(runtime, { host: "127.0.0.1", port: master.port });
    const before = master.storage.stats().items;
    const sets = Array.from({ length: EXPIRED_KEYS }, (_, i) => `set expired:${i} 0 1 1 noreply\r\nx\r\n`);
    await client.ask(`${sets.join("")}mn\r\n`, /MN\r\n$/);
    const stored = master.storage.stats().items - before;
    assert(stored > EXPIRED_KEYS / 4);
    const isExpired = async (): Promise<boolean> => (await client.ask("get expired:0\r\n", /END\r\n$/)) === "END\r\n";
    while (!(await isExpired())) await new Promise((resolve) => setTimeout(resolve, 50));
    await master.storage.checkpoint();
    // By itself a node looks at 500 keys a second.
    const deadline = performance.now() + 4000;
    while (master.storage.stats().items > before && performance.now() < deadline) {
      assertMatch(await client.ask("lru_crawler crawl all\r\n"), /^(?:OK|BUSY currently processing crawler request)\r\n$/);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert(master.storage.stats().items <= before);
    client.close();
  });
});

/** Lines in any order, without the figures in which two servers must differ. */
function comparable(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/ la=\d+ cas=\d+/, " la=N cas=N").replace(/ size=\d+/, " size=N"))
    .map((line) => line.replace(/exp=\d{10}/, "exp=N").replace(/; \d{10} s\]/, "; N s]"))
    .sort();
}
