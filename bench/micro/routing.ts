/**
 * What finding the node of a key costs: a cluster of one partition and one of eight with a slave each, for reads and
 * writes. Before anything is timed, every hash must be routed to the master of its partition.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run, summary } from "mitata";
import { KeyResolver } from "../../lib/cluster/key_resolver.ts";
import type { ClusterNode } from "../../lib/cluster/node.ts";
import { createNodeMap } from "../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../lib/cluster/node_map_codec.ts";
import { LOCAL, Routing } from "../../lib/cluster/routing.ts";

const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });
const HASHES = 4096;

/** A cluster of masters `m0` … and slaves `s0` …, seen from `m0`. */
function routingOf(partitions: number): Routing {
  const lines = Array.from({ length: partitions }, (_, p) => [`NODE m${p} 1 0 0 ${p} 1 16`, `NODE s${p} 1 1 0 ${p} 1 17`]);
  const nodes = lines.flat().map((line) => parseNodeLine(line) as ClusterNode);
  return new Routing(createNodeMap(1, nodes, 18), { selfKey: "m0:1", resolver });
}

const small = routingOf(1);
const large = routingOf(8);
for (let hash = 0; hash < HASHES; hash++) {
  assertEquals(small.routeWrite(hash, false), LOCAL);
  const partition = resolver.resolve(hash, 8);
  const route = large.routeWrite(hash, false);
  assertEquals(typeof route === "object" ? route.key : route, partition === 0 ? LOCAL : `m${partition}:1`);
}

let hash = 0;
summary(() => {
  for (const [name, routing] of [
    ["1 partition", small],
    ["8 partitions", large],
  ] as const) {
    bench(`routeRead, ${name}`, () => {
      hash = (hash + 7919) % HASHES;
      return do_not_optimize(routing.routeRead(hash, hash));
    });
    bench(`routeWrite, ${name}`, () => {
      hash = (hash + 7919) % HASHES;
      return do_not_optimize(routing.routeWrite(hash, false));
    });
  }
});

await run();
