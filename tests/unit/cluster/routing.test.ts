/** Which request runs where: the rows of the routing rules, balances, a partition being created, the network preference. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap, EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import type { Route } from "../../../lib/cluster/routing.ts";
import { LOCAL, NO_PARTITION, Routing } from "../../../lib/cluster/routing.ts";

const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });

/** Each line: `host port role state partition balance`, numbers as on the wire. */
function mapOf(...lines: string[]): NodeMap {
  return createNodeMap(
    1,
    lines.map((line, i) => parseNodeLine(`NODE ${line} ${16 + i}`) as ClusterNode),
    99,
  );
}

function routingOf(self: string, map: NodeMap, proxyPriorNetmask = 0): Routing {
  return new Routing(map, { selfKey: self, resolver, proxyPriorNetmask });
}

function named(route: Route): string {
  if (typeof route === "object") return route.key;
  return route === LOCAL ? "LOCAL" : route === NO_PARTITION ? "NO_PARTITION" : "PROXY_FAILURE";
}

/** A hash that belongs to `partition` of `count`, and to `next` of `count + 1`. */
function hashIn(partition: number, count: number, next: number): number {
  for (let hash = 0; hash < 4096; hash++) {
    if (resolver.resolve(hash, count) === partition && resolver.resolve(hash, count + 1) === next) return hash;
  }
  throw new Error("no such hash");
}

describe("routing of one partition", () => {
  const map = mapOf("a 1 0 0 0 1", "b 1 1 0 0 3", "c 1 1 0 0 0", "d 1 1 1 0 2", "p 1 2 0 -1 0");

  it("runs writes on the master and sends them there from everywhere else", () => {
    assertEquals(named(routingOf("a:1", map).routeWrite(7, false)), "LOCAL");
    for (const self of ["b:1", "c:1", "d:1", "p:1", "unknown:1"]) {
      assertEquals(named(routingOf(self, map).routeWrite(7, false)), "a:1", self);
    }
  });

  it("runs writes that come from a node on the master and every slave", () => {
    for (const self of ["a:1", "b:1", "c:1", "d:1"])
      assertEquals(named(routingOf(self, map).routeWrite(7, true)), "LOCAL", self);
    assertEquals(named(routingOf("p:1", map).routeWrite(7, true)), "a:1");
  });

  it("reads locally on the master and on active slaves that have a balance", () => {
    for (const self of ["a:1", "b:1"]) assertEquals(named(routingOf(self, map).routeRead(7, 5)), "LOCAL", self);
    for (const self of ["c:1", "d:1", "p:1"]) assert(typeof routingOf(self, map).routeRead(7, 5) === "object", self);
  });

  it("spreads reads by balance, nothing to slaves that are preparing", () => {
    const routing = routingOf("p:1", map);
    const counts: Record<string, number> = {};
    for (let random = 0; random < 400; random++) {
      const key = named(routing.routeRead(7, random));
      counts[key] = (counts[key] ?? 0) + 1;
    }
    assertEquals(counts, { "a:1": 100, "b:1": 300 });
    assertEquals(named(routing.routeRead(7, 4294967295)), "b:1");
  });

  it("needs no hash and replicates to all slaves", () => {
    const routing = routingOf("a:1", map);
    assertEquals(routing.partitionCount, 1);
    assertEquals(
      routing.replicasOf(0, false).map((node) => node.key),
      ["b:1", "c:1", "d:1"],
    );
    assertStrictEquals(routing.replicasOf(0, false), routing.replicaTargets(0));
    assert(Object.isFrozen(routing.replicaTargets(0)));
    assertEquals(routing.replicaTargets(1), []);
    assertEquals(routingOf("b:1", map).replicasOf(0, true), []);
    assertEquals(routing.self?.key, "a:1");
    assertEquals(routingOf("unknown:1", map).self, undefined);
  });

  it("has the master answer reads when nobody has a balance", () => {
    const routing = routingOf("p:1", mapOf("a 1 0 0 0 0", "d 1 1 1 0 2", "p 1 2 0 -1 0"));
    for (let random = 0; random < 4; random++) assertEquals(named(routing.routeRead(1, random)), "a:1");
  });
});

describe("routing without a master", () => {
  it("answers NO_PARTITION while there is none", () => {
    for (const map of [EMPTY_NODE_MAP, mapOf("p 1 2 0 -1 0")]) {
      const routing = routingOf("p:1", map);
      assertEquals(routing.partitionCount, 0);
      assertEquals(named(routing.routeRead(1, 1)), "NO_PARTITION");
      assertEquals(named(routing.routeWrite(1, true)), "NO_PARTITION");
      assertEquals(routing.replicasOf(1, true), []);
      assertEquals(routing.preparingMasterOf(1), undefined);
    }
  });

  it("answers PROXY_FAILURE for a preserved partition, on the preserved master too", () => {
    const map = mapOf("a 1 0 2 0 1", "p 1 2 0 -1 0");
    for (const self of ["a:1", "p:1"]) {
      const routing = routingOf(self, map);
      assertEquals(routing.partitionCount, 1);
      assertEquals(named(routing.routeWrite(1, false)), "PROXY_FAILURE");
      assertEquals(named(routing.routeWrite(1, true)), "PROXY_FAILURE");
      assertEquals(named(routing.routeRead(1, 1)), "PROXY_FAILURE");
    }
  });

  it("keeps the keys of the other partitions where they are", () => {
    const routing = routingOf("p:1", mapOf("a 1 0 2 0 1", "b 1 0 0 1 1", "p 1 2 0 -1 0"));
    assertEquals(routing.partitionCount, 2);
    assertEquals(named(routing.routeWrite(hashIn(0, 2, 0), false)), "PROXY_FAILURE");
    assertEquals(named(routing.routeWrite(hashIn(1, 2, 1), false)), "b:1");
  });

  it("lets an active slave of a preserved partition answer reads", () => {
    assertEquals(named(routingOf("p:1", mapOf("a 1 0 2 0 1", "b 1 1 0 0 1")).routeRead(1, 1)), "b:1");
  });
});

describe("routing while a partition is created", () => {
  const map = mapOf("a 1 0 0 0 1", "a2 1 1 0 0 1", "b 1 0 1 1 1", "b2 1 1 0 1 1", "p 1 2 0 -1 0");
  const staying = hashIn(0, 1, 0);
  const moving = hashIn(0, 1, 1);

  it("keeps reads and client writes at the old owner", () => {
    assertEquals(routingOf("p:1", map).partitionCount, 2);
    for (const self of ["b:1", "b2:1", "p:1"]) {
      for (const hash of [staying, moving]) {
        assertEquals(named(routingOf(self, map).routeWrite(hash, false)), "a:1", self);
        assert(["a:1", "a2:1"].includes(named(routingOf(self, map).routeRead(hash, 1))), self);
      }
    }
  });

  it("runs moving writes from nodes on the new master and its slaves", () => {
    for (const self of ["b:1", "b2:1"]) {
      assertEquals(named(routingOf(self, map).routeWrite(moving, true)), "LOCAL", self);
      assertEquals(named(routingOf(self, map).routeWrite(staying, true)), "a:1", self);
    }
  });

  it("names the new master to the old owner of a moving key, and to nobody else", () => {
    assertEquals(routingOf("a:1", map).preparingMasterOf(moving)?.key, "b:1");
    assertEquals(routingOf("a:1", map).preparingMasterOf(staying), undefined);
    for (const self of ["a2:1", "b:1", "p:1"]) assertEquals(routingOf(self, map).preparingMasterOf(moving), undefined, self);
  });

  it("has the new master replicate what the old owner sends", () => {
    assertEquals(
      routingOf("b:1", map)
        .replicasOf(moving, true)
        .map((node) => node.key),
      ["b2:1"],
    );
    assertEquals(routingOf("b:1", map).replicasOf(moving, false), []);
    assertEquals(routingOf("b:1", map).replicasOf(staying, true), []);
    assertEquals(
      routingOf("a:1", map)
        .replicaTargets(1)
        .map((node) => node.key),
      ["b2:1"],
    );
  });

  it("reads moving keys on the new master and its active slaves once they have them all", () => {
    const ready = mapOf("a 1 0 0 0 1", "b 1 0 3 1 1", "b2 1 1 0 1 1", "p 1 2 0 -1 0");
    for (const self of ["b:1", "b2:1"]) {
      assertEquals(named(routingOf(self, ready).routeRead(moving, 1)), "LOCAL", self);
      assertEquals(named(routingOf(self, ready).routeRead(staying, 1)), "a:1", self);
    }
    assertEquals(named(routingOf("p:1", ready).routeRead(moving, 1)), "a:1");
  });

  it("names the owner a write has to be passed on to that was late", () => {
    const routing = routingOf("a:1", map);
    assertEquals(routing.successorOf(moving, false)?.key, "b:1");
    routing.install(mapOf("a 1 0 0 0 1", "a2 1 1 0 0 1", "b 1 0 0 1 1", "p 1 2 0 -1 0"));
    assertEquals(routing.preparingMasterOf(moving), undefined);
    assertEquals([routing.successorOf(moving, false)?.key, routing.successorOf(staying, false)], ["b:1", undefined]);
    assertEquals(routingOf("a2:1", routing.nodeMap).successorOf(staying, true), undefined);
  });

  it("takes a new map in one step", () => {
    const routing = routingOf("p:1", map);
    assertEquals(named(routing.routeWrite(moving, false)), "a:1");
    const next = mapOf("a 1 0 0 0 1", "b 1 0 0 1 1", "p 1 2 0 -1 0");
    routing.install(next);
    assertStrictEquals(routing.nodeMap, next);
    assertEquals(named(routing.routeWrite(moving, false)), "b:1");
    assertEquals(named(routing.routeWrite(staying, false)), "a:1");
    assertEquals(routing.partitionMap.preparing, undefined);
  });

  it("ignores a preparing master that is not the next one, and partitions beyond the tables", () => {
    assertEquals(routingOf("p:1", mapOf("a 1 0 0 0 1", "b 1 0 1 2 1")).partitionCount, 1);
    assertEquals(routingOf("p:1", mapOf("a 1 0 0 0 1", "b 1 0 0 2000000000 1")).partitionCount, 1);
  });
});

describe("proxy-prior-netmask", () => {
  const map = mapOf("10.0.1.1 1 0 0 0 1", "10.0.2.1 1 1 0 0 1", "10.1.0.1 1 1 0 0 1", "name 1 1 0 0 1");

  function targets(self: string, bits: number): string[] {
    const routing = routingOf(self, map, bits);
    return [...new Set(Array.from({ length: 8 }, (_, random) => named(routing.routeRead(1, random))))].sort();
  }

  it("prefers nodes of the same network, if there are any", () => {
    assertEquals(targets("10.0.2.9:1", 24), ["10.0.2.1:1"]);
    assertEquals(targets("10.0.2.9:1", 16), ["10.0.1.1:1", "10.0.2.1:1"]);
    assertEquals(targets("10.9.0.1:1", 8).length, 3);
    assertEquals(targets("192.168.0.1:1", 24).length, 4);
    assertEquals(targets("other:1", 24).length, 4);
    assertEquals(targets("10.0.2.9:1", 0).length, 4);
    assertEquals(targets("200.0.0.1:1", 1).length, 4);
    assertEquals(targets("10.0.2.1:2", 32), ["10.0.2.1:1"]);
  });
});
