/**
 * A cluster that is started again has the shape its directory remembers; what contradicts that is refused before anything
 * starts.
 *
 * Covers lib/local_cluster/node_addresses.ts.
 */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { isWildcard } from "../../../lib/local_cluster/node_addresses.ts";
import type { Cluster } from "../../../mod.ts";
import { detectRuntime, startCluster } from "../../../mod.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

const runtime = detectRuntime({ logLevel: "error" });

/** `partition/role` of each node, sorted. */
function places(cluster: Cluster): string[] {
  return cluster.index.nodeMap.nodes.map(({ partition, role }) => `${partition}/${role}`).sort();
}

async function once(options: Parameters<typeof startCluster>[0], look: (cluster: Cluster) => unknown = () => {}) {
  const cluster = await startCluster({ runtime, ...options });
  try {
    await look(cluster);
  } finally {
    await cluster.stop();
  }
}

async function refusal(options: Parameters<typeof startCluster>[0]): Promise<string> {
  return (await assertRejects(() => once(options), FlareError)).message;
}

const four = ["0/0", "0/1", "1/0", "1/1"];

describe("a data directory of a cluster", () => {
  it("brings its shape back, takes more and refuses less", async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await once({ dataDir, partitions: 2, slaves: 1 });
      await once({ dataDir }, (cluster) => assertEquals([cluster.nodes.length, places(cluster)], [4, four]));
      for (const [asked, message] of [
        [
          { partitions: 1 },
          'option "partitions": the data directory has a cluster of "2" partitions, not "1"; a cluster cannot shrink',
        ],
        [{ nodes: 3 }, 'option "nodes": "3" omits "127.0.0.1:'],
        [{ nodes: 3, slaves: 2 }, 'option "nodes": "3" omits "127.0.0.1:'],
        [
          { nodes: 5, slaves: 2 },
          'option "nodes": "5" is not enough for 2 partitions with 2 slaves each; at least 6 are needed',
        ],
        [{ storage: "memory" }, 'option "storage": "memory" would start with nothing, but the data directory holds data'],
      ] as const) {
        assertEquals((await refusal({ dataDir, ...asked })).slice(0, message.length), message);
      }
      // Fewer slaves leave proxies, which take their places again when they are wanted.
      await once({ dataDir, slaves: 0 }, (cluster) => assertEquals(places(cluster), ["-1/2", "-1/2", "0/0", "1/0"]));
      await once({ dataDir, partitions: 3, slaves: 1 }, (cluster) => assertEquals(places(cluster), [...four, "2/0", "2/1"]));
      await once({ dataDir }, (cluster) => assertEquals(places(cluster), [...four, "2/0", "2/1"]));
    });
  });

  it("remembers proxies, forgets those that are left out, and knows nodes that were added while it ran", async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await once({ dataDir, nodes: 2 });
      await once({ dataDir }, (cluster) => assertEquals(cluster.nodes.length, 2));
      await once({ dataDir, nodes: 1 });
      await once({ dataDir }, async (cluster) => {
        assertEquals(cluster.nodes.length, 1);
        await cluster.addSlave(await cluster.addNode(), 0);
      });
      await once({ dataDir }, (cluster) => assertEquals([cluster.nodes.length, places(cluster)], [2, ["0/0", "0/1"]]));
    });
  });

  it("is one process's at a time: another one changes nothing", async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await once({ dataDir }, async () => {
        const before = readFileSync(join(dataDir, "nodes"), "utf8");
        const error = await assertRejects(() => once({ dataDir, nodes: 3 }), FlareError);
        assertEquals([error.code, readFileSync(join(dataDir, "nodes"), "utf8")], ["DATA_DIR_LOCKED", before]);
      });
    });
  });

  it("without its node map, or with a shape that says nothing, is refused", async () => {
    await withTemporaryDirectory(async (dataDir) => {
      await once({ dataDir });
      writeFileSync(join(dataDir, "shape"), "partitions = many\nslaves = 0\n");
      assertEquals(await refusal({ dataDir }), `"${join(dataDir, "shape")}" does not say how many partitions there are`);
      writeFileSync(join(dataDir, "shape"), "partitions = 1\nslaves = 0\nformed = true\n");
      const map = join(dataDir, "index", "flare.xml");
      rmSync(map);
      const missing = `"${map}" with the cluster's node map is missing: get the map of a running node`;
      assertEquals((await refusal({ dataDir })).slice(0, missing.length), missing);
      rmSync(join(dataDir, "index"), { recursive: true });
      const message = `"${map}" has no masters, although`;
      assertEquals((await refusal({ dataDir })).slice(0, message.length), message);
    });
  });
});

describe("the name of a cluster's servers", () => {
  it("is the one given, the address they listen on, or the host's where that is every address", async () => {
    for (const [address, all] of [
      ["0.0.0.0", true],
      ["::", true],
      ["[::]", true],
      ["127.0.0.1", false],
      ["::1", false],
      ["localhost", false],
    ] as const) {
      assertEquals(isWildcard(address), all, address);
    }
    await once({ bind: "0.0.0.0", serverName: "localhost" }, (cluster) => {
      assertEquals([cluster.addresses[0]?.host, cluster.indexAddress.host], ["localhost", "localhost"]);
      assertEquals(cluster.index.nodeMap.nodes[0]?.host, "localhost");
    });
    const named = { ...runtime, process: Object.assign(Object.create(runtime.process), { hostName: () => "localhost" }) };
    await once({ bind: "0.0.0.0", runtime: named }, (cluster) => assertEquals(cluster.addresses[0]?.host, "localhost"));
    await once({}, (cluster) => assertEquals(cluster.addresses[0]?.host, "127.0.0.1"));
  });
});
