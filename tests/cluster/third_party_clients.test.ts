/**
 * Clients that know nothing of Flare: memcached's conformance test memccapable, the npm client `memcached` with every
 * command it has, and libmemcached's tools; against one node, and through a proxy of two partitions with a slave each.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { LocalCluster } from "../../mod.ts";
import { startCluster, VERSION } from "../../mod.ts";
import { clientRuntime, skipUnless } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";
import { Memcached } from "../support/npm_memcached.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { isInstalled, runTool } from "../support/tools.ts";

const SHAPES = {
  "one node": { shape: { partitions: 1 }, entrance: 0 },
  "a proxy of two partitions with a slave each": { shape: { partitions: 2, slaves: 1, nodes: 5 }, entrance: 4 },
} as const;
const CAPABLE_TESTS = 27;
const KEYS = Array.from({ length: 100 }, (_, number) => `key-${number}`);

type Callback<T> = (error: Error | undefined, result: T) => void;

/** The outcome of a call with a callback. */
function outcome<T>(call: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === undefined || error === null) resolve(result);
      else reject(error);
    });
  });
}

for (const [name, { shape, entrance }] of Object.entries(SHAPES)) {
  describe(`through ${name}`, () => {
    let cluster: LocalCluster;
    let port: number;

    before(async () => {
      cluster = await startCluster({ ...shape, runtime: await clientRuntime() });
      port = cluster.addresses[entrance]?.port ?? 0;
    });

    after(async () => {
      await cluster.stop();
    });

    const withoutCapable = skipUnless(isInstalled("memccapable"), "memccapable (libmemcached-tools)");
    it("memccapable passes its tests of the text protocol", { skip: withoutCapable }, async () => {
      const { status, stdout, stderr } = await runTool("memccapable", ["-h", "127.0.0.1", "-p", String(port), "-a", "-t", "5"]);
      const passed = stdout.match(/\[pass\]/g)?.length ?? 0;
      if (entrance === 0) {
        assertMatch(stdout, /All tests passed/, `${stdout}\n${stderr}`);
        assertEquals(status, 0);
        assertEquals(passed, CAPABLE_TESTS);
      } else {
        // flush_all is for the node it is sent to, as in Flare: a proxy has nothing to flush.
        assertEquals(passed, CAPABLE_TESTS - 2, `${stdout}\n${stderr}`);
        assertMatch(stdout, /^ascii flush +ascii flush noreply +ascii add +\[pass\]$/m);
      }
    });

    it("the npm client memcached gets along with every command it has", async () => {
      const client = new Memcached(`127.0.0.1:${port}`, { retries: 0, remove: true, failures: 0 });
      try {
        assertEquals(await outcome((done) => client.flush(done)), [true]);
        assertEquals(await outcome((done) => client.set("text", "wörld\r\n", 0, done)), true);
        assertEquals(await outcome((done) => client.get("text", done)), "wörld\r\n");
        assertEquals(await outcome((done) => client.set("json", { list: [1, 2] }, 0, done)), true);
        assertEquals(await outcome((done) => client.get("json", done)), { list: [1, 2] });
        assertEquals(await outcome((done) => client.get("missing", done)), undefined);

        assertEquals(await outcome((done) => client.add("added", "1", 0, done)), true);
        await refused((done) => client.add("added", "2", 0, done));
        assertEquals(await outcome((done) => client.replace("added", "3", 0, done)), true);
        await refused((done) => client.replace("missing", "3", 0, done));
        assertEquals(await outcome((done) => client.append("added", "4", done)), true);
        assertEquals(await outcome((done) => client.prepend("added", "2", done)), true);
        assertEquals(await outcome((done) => client.get("added", done)), "234");
        assertEquals(await outcome((done) => client.incr("added", 6, done)), 240);
        assertEquals(await outcome((done) => client.decr("added", 41, done)), 199);
        assertEquals(await outcome((done) => client.incr("missing", 1, done)), false);

        const { cas } = await outcome<{ cas: string }>((done) => client.gets("text", done as Callback<unknown>));
        assertEquals(await outcome((done) => client.cas("text", "first", cas, 0, done)), true);
        assertEquals(await outcome((done) => client.cas("text", "second", cas, 0, done)), false);
        assertEquals(await outcome((done) => client.get("text", done)), "first");

        assertEquals(await outcome((done) => client.touch("text", 1000, done)), true);
        assertEquals(await outcome((done) => client.touch("missing", 1000, done)), false);
        assertEquals(await outcome((done) => client.del("text", done)), true);
        assertEquals(await outcome((done) => client.del("text", done)), false);

        for (const key of KEYS) assertEquals(await outcome((done) => client.set(key, `value of ${key}`, 0, done)), true);
        const found = await outcome((done) => client.getMulti(KEYS, done));
        assertEquals(found, Object.fromEntries(KEYS.map((key) => [key, `value of ${key}`])));

        const [version] = await outcome<readonly { readonly version: string }[]>((done) => client.version(done));
        assertEquals(version?.version, VERSION);
        const [stats] = await outcome<readonly Record<string, unknown>[]>((done) => client.stats(done));
        assertEquals(stats?.version, `flare-${VERSION}`.slice("flare-".length));
        await outcome((done) => client.settings(done));
        await outcome((done) => client.slabs(done));
        await outcome((done) => client.items(done));
        assertEquals(await outcome((done) => client.flush(done)), [true]);
      } finally {
        client.end();
      }
    });

    it("a get of many keys brings each its own value, wherever it lies", async () => {
      const runtime = await clientRuntime();
      for (const address of cluster.addresses) {
        const client = await LineClient.connect(runtime, address);
        for (const key of KEYS) {
          assertEquals(await client.ask(`set ${key} 1 0 ${key.length}\r\n${key}\r\n`), "STORED");
        }
        const found = await client.gets(KEYS);
        assertEquals(
          [...found].map(([key, { value }]) => `${key}=${value}`),
          KEYS.map((key) => `${key}=${key}`),
        );
        client.close();
      }
    });

    const withoutTools = skipUnless(isInstalled("memccp"), "memccp (libmemcached-tools)");
    it("libmemcached's tools copy, read, touch and remove", { skip: withoutTools }, async () => {
      await withTemporaryDirectory(async (directory) => {
        mkdirSync(join(directory, "back"));
        const servers = `--servers=127.0.0.1:${port}`;
        const names = Array.from({ length: 10 }, (_, number) => `file-${number}`);
        for (const name of names) writeFileSync(join(directory, name), `${name}\n`.repeat(1000));

        assertEquals((await runTool("memccp", [servers, ...names], directory)).status, 0);
        for (const name of names) {
          const target = join(directory, "back", name);
          assertEquals((await runTool("memccat", [servers, `--file=${target}`, name])).status, 0);
          assertEquals(readFileSync(target, "latin1"), readFileSync(join(directory, name), "latin1"));
        }
        const [first = ""] = names;
        assertEquals((await runTool("memcexist", [servers, first])).status, 0);
        assertEquals((await runTool("memctouch", [servers, "--expire=1000", first])).status, 0);
        assertEquals((await runTool("memcrm", [servers, first])).status, 0);
        assertNotEquals((await runTool("memcexist", [servers, first])).status, 0);
        assertNotEquals((await runTool("memctouch", [servers, "--expire=1000", first])).status, 0);
        assertNotEquals((await runTool("memccat", [servers, first])).status, 0);
        assertEquals((await runTool("memcflush", [servers])).status, 0);
      });
    });
  });
}

/** A write that is refused: the client tells by an error or by false. */
async function refused(call: (callback: Callback<boolean>) => void): Promise<void> {
  const result = await outcome(call).catch((error: { readonly notStored?: boolean }) => {
    assertEquals(error.notStored, true);
    return false;
  });
  assertEquals(result, false);
}
