/** Routes while the cluster changes: a partition becomes active, a node leaves, a replica does not answer. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import { NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap, setRole, setState, shutdown } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import type { Route } from "../../../lib/cluster/routing.ts";
import { LOCAL, PROXY_FAILURE, Routing } from "../../../lib/cluster/routing.ts";

const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });

/** Each line: `host role state partition balance`, numbers as on the wire; port 1. */
function mapOf(version: number, ...lines: string[]): NodeMap {
  const nodes = lines.map((line, i) => {
    const [host, ...rest] = line.split(" ");
    return parseNodeLine(`NODE ${host} 1 ${rest.join(" ")} ${16 + i}`) as ClusterNode;
  });
  return createNodeMap(version, nodes, 99);
}

function routingOf(self: string, map: NodeMap): Routing {
  return new Routing(map, { selfKey: `${self}:1`, resolver });
}

function named(route: Route): string {
  if (typeof route === "object") return route.host;
  return route === LOCAL ? "here" : route === PROXY_FAILURE ? "nowhere" : "no partition";
}

/** A hash that belongs to `partition` of `count`, and to `next` of `count + 1`. */
function hashIn(partition: number, count: number, next: number): number {
  for (let hash = 0; hash < 4096; hash++) {
    if (resolver.resolve(hash, count) === partition && resolver.resolve(hash, count + 1) === next) return hash;
  }
  throw new Error("no such hash");
}

describe("routing while a partition becomes active", () => {
  const others = ["a 0 0 0 1", "b 1 0 0 1", "c 0 0 1 1", "o 1 0 2 1", "p 2 0 -1 0"];
  const ready = mapOf(7, ...others, "n 0 3 2 1");
  const active = mapOf(8, ...others, "n 0 0 2 1");
  /** Moves from a to n. */
  const moving = hashIn(0, 2, 2);

  it("reads moving keys on the nodes of the new partition, whose present owners may ask for them already", () => {
    for (const self of ["n", "o"]) {
      assertEquals(named(routingOf(self, ready).routeRead(moving, 3)), "here", self);
      assert(named(routingOf(self, ready).routeRead(hashIn(0, 2, 0), 3)) !== "here", self);
    }
    assertEquals(named(routingOf("n", mapOf(6, ...others, "n 0 1 2 1")).routeRead(moving, 0)), "a", "not before it has them");
  });

  it("sends writes of moved keys to their former master until all is settled, and from there on", () => {
    for (const [self, before] of [
      ["a", "n"],
      ["b", "a"],
      ["c", "a"],
    ] as const) {
      const routing = routingOf(self, ready);
      routing.install(active);
      assert(routing.settling, self);
      assertEquals(named(routing.routeWrite(moving, false)), before, self);
      routing.settle();
      assertEquals(named(routing.routeWrite(moving, false)), "n", self);
    }
  });

  it("takes a copy of a moved key from a master that does not know yet", () => {
    const routing = routingOf("b", ready);
    routing.install(active);
    assertEquals(named(routing.routeWrite(moving, true)), "here");
    assertEquals(named(routingOf("b", active).routeWrite(moving, true)), "n");
  });

  it("has nothing to settle on nodes that never had a key", () => {
    for (const self of ["n", "o", "p"]) {
      const routing = routingOf(self, ready);
      routing.install(active);
      assert(!routing.settling, self);
    }
  });

  it("is settled by the next map, but not by the same again", () => {
    const routing = routingOf("c", ready);
    routing.install(active);
    routing.install(active);
    assert(routing.settling);
    routing.install(mapOf(9, ...others, "n 0 0 2 2"));
    assert(!routing.settling);
  });

  it("knows who gave a key away", () => {
    const routing = routingOf("a", ready);
    assert(!routing.gaveAway(moving));
    routing.install(active);
    assert(routing.gaveAway(moving));
    assert(!routing.gaveAway(hashIn(0, 2, 0)));
    const slave = routingOf("b", ready);
    slave.install(active);
    assert(!slave.gaveAway(moving));
  });
});

describe("routing while a node leaves", () => {
  const map = mapOf(3, "a 0 0 0 0", "b 1 0 0 1", "c 1 0 0 2");

  it("reads nothing on a slave that leaves, and takes that back", () => {
    const routing = routingOf("b", map);
    assertEquals(named(routing.routeRead(5, 0)), "here");
    routing.setLeaving(true);
    for (let random = 0; random < 6; random++) assertEquals(named(routing.routeRead(5, random)), "c");
    assertEquals(named(routing.routeWrite(5, true)), "here", "copies are still taken");
    routing.setLeaving(false);
    assertEquals(named(routing.routeRead(5, 0)), "here");
  });

  it("asks the master when no other slave reads", () => {
    const routing = routingOf("b", mapOf(3, "a 0 0 0 0", "b 1 0 0 1"));
    routing.setLeaving(true);
    assertEquals(named(routing.routeRead(5, 0)), "a");
  });

  it("leaves a master what it has until the map says otherwise", () => {
    const routing = routingOf("a", map);
    routing.setLeaving(true);
    assertEquals(named(routing.routeRead(5, 0)), "here");
    assertEquals(named(routing.routeWrite(5, false)), "here");
    const outcome = shutdown(map, "a:1");
    assert(outcome.ok);
    routing.install(outcome.map);
    assertEquals(named(routing.routeWrite(5, false)), "c");
    assert(routing.gaveAway(5));
  });
});

describe("routing after a failure", () => {
  const map = mapOf(3, "a 0 0 0 0", "b 1 0 0 1", "c 1 0 0 2", "p 2 0 -1 0");

  it("tries the other readers, then the master, then nobody", () => {
    const routing = routingOf("p", map);
    const failed: string[] = [];
    const asked: string[] = [];
    for (let route = routing.routeRead(5, 0); typeof route === "object"; route = routing.routeReadAgain(5, failed)) {
      asked.push(route.host);
      failed.push(route.key);
    }
    assertEquals(asked.slice(0, 2).sort(), ["b", "c"]);
    assertEquals(asked.slice(2), ["a"]);
  });

  it("answers itself when it has become a reader meanwhile", () => {
    assertEquals(named(routingOf("c", map).routeReadAgain(5, ["b:1"])), "here");
  });
});

describe("the order in which nodes hear of a slave's leave", () => {
  const map = mapOf(3, "a 0 0 0 1", "b 1 0 0 1", "c 1 1 0 0");

  it("tells a slave that is made a proxy, or ordered down, before its master stops sending it copies", () => {
    for (const outcome of [
      setRole(map, "b:1", { role: NodeRole.proxy, balance: 0, partition: -1 }, 3),
      setState(map, "b:1", NodeState.down),
    ]) {
      assert(outcome.ok);
      assertEquals(outcome.changes.first, [["b:1"]]);
    }
  });

  it("does not wait for one that answers no reads", () => {
    const outcome = setRole(map, "c:1", { role: NodeRole.proxy, balance: 0, partition: -1 }, 3);
    assert(outcome.ok);
    assertEquals(outcome.changes.first, []);
  });
});
