/**
 * libmemcached's tools: its conformance test memccapable, against one node and through a proxy, and those that store,
 * read and ask, with both protocols, through a proxy and with all nodes as their servers.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Address } from "../../lib/runtime/runtime.ts";
import type { Cluster } from "../../mod.ts";
import { startCluster, VERSION } from "../../mod.ts";
import { BY_LOGIN, ClientCluster } from "../support/client_cluster.ts";
import { clientRuntime } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";
import { skipUnless } from "../support/skip.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { isInstalled, runTool } from "../support/tools.ts";

/** 27 of each protocol. */
const CAPABLE_TESTS = 54;
const skip = skipUnless(isInstalled("memccapable") && isInstalled("memccp"), "libmemcached-tools");

/** What memccapable says; `passed` of its tests. */
async function runCapable(server: string): Promise<{ stdout: string; passed: number; status: number | undefined }> {
  const [host = "", port = ""] = server.split(":");
  const { status, stdout, stderr } = await runTool("memccapable", ["-h", host, "-p", port, "-t", "5"]);
  return { stdout: `${stdout}\n${stderr}`, passed: stdout.match(/\[pass\]/g)?.length ?? 0, status };
}

describe("libmemcached's tools, one node", () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ partitions: 1, runtime: clientRuntime() });
  });

  after(async () => {
    await cluster.stop();
  });

  it("memccapable passes its tests of both protocols", { skip }, async () => {
    const { stdout, passed, status } = await runCapable(`127.0.0.1:${cluster.addresses[0]?.port}`);
    assertMatch(stdout, /All tests passed/, stdout);
    assertEquals([status, passed], [0, CAPABLE_TESTS]);
  });
});

describe("libmemcached's tools, two partitions and a proxy", () => {
  let cluster: ClientCluster;

  before(async () => {
    cluster = await ClientCluster.start();
  });

  after(async () => {
    await cluster.stop();
  });

  it("memccapable passes all tests through the proxy", { skip }, async () => {
    const { stdout, passed, status } = await runCapable(cluster.proxy);
    assertMatch(stdout, /All tests passed/, stdout);
    assertEquals([status, passed], [0, CAPABLE_TESTS]);
  });

  for (const protocol of ["text", "binary"]) {
    it(`memccp, memccat, memcexist, memctouch, memcrm and memcflush (${protocol} protocol)`, { skip }, async () => {
      await withTemporaryDirectory(async (directory) => {
        mkdirSync(join(directory, "back"));
        for (const list of [[cluster.proxy], cluster.servers]) {
          const common = [`--servers=${list.join(",")}`, ...(protocol === "binary" ? ["--binary"] : [])];
          const run = async (tool: string, ...args: readonly string[]): Promise<number | undefined> =>
            (await runTool(tool, [...common, ...args], directory)).status;
          const names = Array.from({ length: 5 }, (_, number) => `file-${protocol}-${list.length}-${number}`);
          for (const name of names) writeFileSync(join(directory, name), `${name}\n`.repeat(1000));

          assertEquals(await run("memccp", "--flag=7", ...names), 0);
          for (const name of names) {
            const target = join(directory, "back", name);
            assertEquals(await run("memccat", `--file=${target}`, name), 0);
            assertEquals(readFileSync(target, "latin1"), readFileSync(join(directory, name), "latin1"));
            await cluster.assertStored(name, { flags: 7, value: `${name}\n`.repeat(1000) });
          }
          const [first = "", second = ""] = names;
          assertEquals(await run("memcexist", first), 0);
          assertEquals(await run("memctouch", "--expire=1000", second), 0);
          await cluster.assertStored(second, { flags: 7, value: `${second}\n`.repeat(1000), lifetimeSeconds: 1000 });
          assertEquals(await run("memcrm", first), 0);
          await cluster.assertMissing(first);
          for (const tool of ["memcexist", "memctouch", "memccat"]) assertNotEquals(await run(tool, first), 0, tool);
        }
        assertEquals((await runTool("memcflush", [`--servers=${cluster.servers.join(",")}`])).status, 0);
        await cluster.assertMissing(`file-${protocol}-1-1`);
      });
    });
  }

  it("memcdump lists the keys of the whole cluster, at any node", { skip }, async () => {
    const names = Array.from({ length: 300 }, (_, number) => `dumped-${number}`).sort();
    const client = await LineClient.connect(clientRuntime(), cluster.addresses[0] as Address);
    for (const name of names) assertEquals(await client.ask(`set ${name} 0 0 1\r\nx\r\n`), "STORED");
    client.close();
    for (const server of cluster.servers) {
      const { status, stdout, stderr } = await runTool("memcdump", [`--servers=${server}`]);
      assertEquals([status, stderr], [0, ""]);
      assertEquals(
        stdout.split("\n").filter((key) => key.startsWith("dumped-")),
        names,
      );
    }
  });

  it("memcping and memcstat hear of every node", { skip }, async () => {
    const servers = `--servers=${cluster.servers.join(",")}`;
    const ping = await runTool("memcping", [servers]);
    assertEquals([ping.status, ping.stderr], [0, ""]);
    const versions = await runTool("memcstat", [servers, "--server-version"]);
    // It is on stderr that it says them.
    assertEquals(versions.stderr.trim().split("\n").sort(), cluster.servers.map((server) => `${server} ${VERSION}`).sort());
    const stats = await runTool("memcstat", [servers]);
    assertEquals([stats.status, stats.stdout.match(/^Server: /gm)?.length], [0, cluster.servers.length]);
    assertEquals(stats.stdout.match(/^\s+version: (.*)$/gm)?.length, cluster.servers.length);
  });
});

describe("libmemcached's tools, a cluster with users", () => {
  let cluster: ClientCluster;

  before(async () => {
    cluster = await ClientCluster.start(BY_LOGIN);
  });

  after(async () => {
    await cluster.stop();
  });

  const { user = "", password = "" } = BY_LOGIN.login ?? {};

  it("log in, and are turned away with a wrong password", { skip }, async () => {
    await withTemporaryDirectory(async (directory) => {
      writeFileSync(join(directory, "file"), "content");
      const run = async (tool: string, given: string): Promise<boolean> => {
        const login = [`--username=${user}`, `--password=${given}`, "--binary"];
        const { status } = await runTool(tool, [`--servers=${cluster.servers.join(",")}`, ...login, "file"], directory);
        return status === 0;
      };
      assertEquals([await run("memccp", "wrong"), await run("memccp", password)], [false, true]);
      await cluster.assertStored("file", { flags: 0, value: "content" });
      assertEquals([await run("memccat", "wrong"), await run("memccat", password)], [false, true]);
      assertEquals([await run("memcrm", "wrong"), await run("memcrm", password)], [false, true]);
      await cluster.assertMissing("file");
    });
  });
});
