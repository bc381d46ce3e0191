/** Where each node is in the picture, and how a partition is. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Node } from "../../../lib/web/browser/model/cluster.ts";
import type { Seat } from "../../../lib/web/browser/model/link_state.ts";
import { type Picture, type Placed, pictureOf } from "../../../lib/web/browser/model/picture.ts";
import { playedCluster, playedNode } from "../../support/page_cluster.ts";

const master = (key: string, partition: number, given: Partial<Node> = {}): Node =>
  playedNode(key, { role: "master", partition, ...given });
const slave = (key: string, partition: number, given: Partial<Node> = {}): Node =>
  playedNode(key, { role: "slave", partition, inSync: true, ...given });

function picture(nodes: readonly Node[], seats: readonly (readonly [string, Seat])[] = []): Picture {
  return pictureOf(playedCluster(nodes), new Map(seats));
}

const keys = (placed: readonly Placed[]): string[] => placed.map(({ node }) => node.key);

function healthOf(nodes: readonly Node[]): string | undefined {
  return picture(nodes).columns[0]?.health;
}

describe("the picture", () => {
  it("has a column for each partition, its master apart from its slaves, and proxies aside", () => {
    const { columns, proxies, strays } = picture([
      slave("h:10", 1),
      slave("h:9", 1),
      master("h:4", 1),
      playedNode("h:5", {}),
      slave("h:2", 0),
      master("h:1", 0),
    ]);
    assertEquals(
      columns.map(({ partition, master: top, others }) => [partition, top?.node.key, keys(others)]),
      [
        [0, "h:1", ["h:2"]],
        [1, "h:4", ["h:9", "h:10"]],
      ],
    );
    assertEquals([keys(proxies), strays], [["h:5"], []]);
  });

  it("keeps the column of a partition that has lost all its nodes", () => {
    const { columns } = picture([master("h:1", 2)]);
    assertEquals(
      columns.map(({ partition, health }) => [partition, health]),
      [
        [0, "broken"],
        [1, "broken"],
        [2, "alone"],
      ],
    );
    assertEquals(picture([]).columns, []);
  });

  it("leaves a dead node where it was seen, below those that serve, and says what it was", () => {
    const dead = playedNode("h:1", { state: "down" });
    const { columns, proxies, strays } = picture(
      [dead, master("h:2", 0), slave("h:3", 0)],
      [["h:1", { role: "master", partition: 0 }]],
    );
    assertEquals(keys(columns[0]?.others ?? []), ["h:3", "h:1"]);
    assertEquals(columns[0]?.others.at(-1)?.was, "master");
    assertEquals([proxies, strays], [[], []]);
  });

  it("puts a dead node aside whose place nobody saw", () => {
    const { columns, strays } = picture([playedNode("h:1", { state: "down" })]);
    assertEquals([columns, keys(strays)], [[], ["h:1"]]);
  });
});

describe("a partition", () => {
  it("is complete with an active master and active slaves in sync", () => {
    assertEquals(healthOf([master("h:1", 0), slave("h:2", 0)]), "ok");
    // Whether it is in sync may be unknown; that alone is no alarm.
    assertEquals(healthOf([master("h:1", 0), slave("h:2", 0, { inSync: null })]), "ok");
  });

  it("is alone without a second active copy", () => {
    assertEquals(healthOf([master("h:1", 0)]), "alone");
    assertEquals(healthOf([master("h:1", 0), slave("h:2", 0, { state: "prepare" })]), "alone");
  });

  it("is weak with a copy that is missing or behind", () => {
    assertEquals(healthOf([master("h:1", 0), slave("h:2", 0), slave("h:3", 0, { state: "prepare" })]), "weak");
    assertEquals(healthOf([master("h:1", 0), slave("h:2", 0, { inSync: false })]), "weak");
  });

  it("is broken without an active master", () => {
    assertEquals(healthOf([slave("h:2", 0)]), "broken");
    assertEquals(healthOf([master("h:1", 0, { state: "ready" }), slave("h:2", 0)]), "broken");
  });
});
