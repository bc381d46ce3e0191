/**
 * The node map of a cluster that serves is moved from the file of its index server to etcd, from there to ZooKeeper, and back
 * to a file, by the program: writes go on, and index servers lead only where the map is.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { RunningIndex } from "../../lib/index_server/index_server.ts";
import { placeText } from "../../lib/index_server/place_text.ts";
import { detectRuntime, NodeRole, startNodeServer } from "../../mod.ts";
import { waitUntil } from "../support/daemon.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { freePorts } from "../support/free_ports.ts";
import { ask, failureOf, IndexScene, keysOf } from "../support/index_scene.ts";
import { runProgram } from "../support/spawn.ts";
import { TextClient } from "../support/text_client.ts";
import { withoutZooKeeper, ZooKeeper } from "../support/zookeeper_server.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const HOST = "127.0.0.1";

describe("the map of a cluster that serves", { skip: withoutEtcd || withoutZooKeeper, timeout: 300_000 }, () => {
  it("goes from a file to etcd, to ZooKeeper, and to a file", async () => {
    const [etcd, zooKeeper] = await Promise.all([Etcd.start(), ZooKeeper.start()]);
    const scene = new IndexScene(etcd, "etcd");
    const port = await freePorts(1);
    const start = (indexDb: string) =>
      scene.start(scene.newDirectory(), { indexDb, serverPort: port, monitorIntervalMs: 1000 });
    const [first, last] = [scene.newDirectory(), scene.newDirectory()];
    const places = [
      `file://${first}`,
      placeText("etcd", etcd, "/flare/moved"),
      placeText("zookeeper", zooKeeper, "/flare/moved"),
      `file://${last}`,
    ];
    let index: RunningIndex = await start(places[0] as string);
    const node = await startNodeServer({
      ...{ runtime, dataDir: join(first, "node"), bind: HOST, serverName: HOST, serverPort: 0 },
      indexServers: [{ host: HOST, port }],
    });
    try {
      assertEquals(await ask(index, `node role ${HOST} ${node.key.split(":")[1]} master 1 0\r\n`), "OK\r\n");
      const client = await TextClient.connect(runtime, node.addresses[0]);
      const write = async () => assertEquals(await client.ask("set k 0 0 1\r\nv\r\n"), "STORED\r\n");
      for (const [i, to] of places.entries()) {
        if (i === 0) continue;
        const { term } = index.leadership;
        const { version } = index.nodeMap;
        const args = ["index", "move", "--index-server", `${HOST}:${port}`, "--to", to];
        const moved = await runProgram("flare", [...args, "--yes"]);
        assertStringIncludes(moved.stdout, `restart every index server with --index-db ${to}`, moved.stderr);
        assertEquals(moved.status, 0);
        await write();
        assertStringIncludes(
          await ask(index, `node add ${HOST} 9\r\n`),
          `failed to add node: the node map has gone to "${to}"`,
        );
        // Run again, it has nothing to do.
        assertEquals(await runProgram("flare", [...args, "--yes"]), { status: 0, stdout: moved.stdout, stderr: "" });
        await index.stop();
        assertStringIncludes(await failureOf(() => start(places[i - 1] as string)), `the node map has gone to "${to}"`);
        index = await start(to);
        assertEquals([index.leadership.isLeading, index.leadership.term > term + 1], [true, true]);
        assertEquals([index.nodeMap.version, keysOf(index).length], [version, 1]);
        await waitUntil(() => node.nodeMap.version === index.nodeMap.version, "the node has the map");
        await write();
      }
      assertEquals(index.nodeMap.nodes[0]?.role, NodeRole.master);
      assertStringIncludes(await ask(index, "index history\r\n"), `moved from \\"${places[2]}\\"`);
      client.close();
    } finally {
      await node.stop();
      await scene.close();
      await zooKeeper.stop();
    }
  });
});
