/** What operators have servers do is in the log, with who they are; what clients and other servers do is not. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { loginOf, recordingRuntime, writeUsers } from "../support/access_world.ts";
import { waitUntil } from "../support/daemon.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

/** The audit lines without the addresses. */
function audits(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, who, via, what, result] =
      /audit who="([^"]*)" from="127\.0\.0\.1:\d+" via="(\w+)" what="([^"]*)" result="([^"]*)"$/.exec(line) ?? [];
    return who === undefined ? [] : [`${who} ${via}: ${what} > ${result}`];
  });
}

describe("the log", () => {
  it("has what operators do, at nodes and index servers, and what became of it", async () => {
    const { runtime, lines } = await recordingRuntime();
    await using cluster = await startOpenCluster({ runtime, partitions: 1, slaves: 1 });
    const [{ address }] = cluster.nodes;
    // Starting, joining, copying and replicating is no operator's doing.
    using client = cluster.client();
    for (let i = 0; i < 20; i++) await client.set(`key-${i}`, "value", { replication: "sync" });
    await client.get("key-1");
    assertEquals(audits(lines), []);
    const node = await TextClient.connect(runtime, address);
    for (const command of ["kill 999999", "cache_memlimit 64", "stats reset", "stats", "get key-1", "version"]) {
      await node.ask(`${command}\r\n`, /\r\n$/);
    }
    await node.ask("flush_all\r\n", /\r\n$/);
    await node.send("flush_all 0 noreply\r\n");
    const index = await TextClient.connect(runtime, cluster.indexAddress);
    const { host, port } = address;
    await index.ask(`node role ${host} ${port} master 2 0\r\n`, /\r\n$/);
    await index.ask("node remove 127.0.0.1 1\r\n", /\r\n$/);
    await waitUntil(() => audits(lines).length >= 7, "all of them");
    const [kill, memory, reset, flush, silent, role, remove, ...others] = audits(lines).sort(byPlace);
    assertEquals(
      [kill, memory, reset, flush, silent],
      [
        "anybody memcached: kill 999999 > CLIENT_ERROR thread not found",
        "anybody memcached: cache_memlimit 64 > OK",
        "anybody memcached: stats reset > RESET",
        "anybody memcached: flush_all > OK",
        "anybody memcached: flush_all 0 noreply > no reply",
      ],
    );
    assertEquals(role, `anybody memcached: node role ${host} ${port} master 2 0 > OK`);
    assert(remove?.startsWith("anybody memcached: node remove 127.0.0.1 1 > SERVER_ERROR "), `${remove}`);
    assertEquals(others, []);
    node.close();
    index.close();
  });

  it("has the user who logged in", () =>
    withTemporaryDirectory(async (directory) => {
      const { runtime, lines } = await recordingRuntime();
      const access = { authFile: writeUsers(directory), clusterUser: "node" };
      await using cluster = await startOpenCluster({ runtime, access });
      const node = await TextClient.connect(runtime, cluster.nodes[0].address);
      assertEquals(await node.ask(loginOf("alice", "secret"), /\r\n$/), "STORED\r\n");
      await node.ask("kill 999999\r\n", /\r\n$/);
      assertEquals(audits(lines), ["user:alice memcached: kill 999999 > CLIENT_ERROR thread not found"]);
      assert(lines.every((line) => !line.includes("secret")));
      node.close();
    }));
});

/** Requests of one connection are in order; those of another may be between them. */
function byPlace(left: string, right: string): number {
  return Number(left.includes(" node ")) - Number(right.includes(" node "));
}
