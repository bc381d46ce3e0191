/**
 * The leading index server is killed a few times at random moments under load, on a real etcd of three members and on a real
 * ZooKeeper, with the master and without: what `npm run chaos:leaders` does for longer.
 */

import { describe, it } from "node:test";
import { assertEquals, assertGreater } from "@std/assert";
import { type KillOptions, killLeaders } from "../chaos/leader_kills.ts";
import { ROUNDS_PART } from "../support/daemon.ts";
import { withoutEtcd } from "../support/etcd_server.ts";
import { withoutZooKeeper } from "../support/zookeeper_server.ts";

/** Fewer where the same has been proven under Node already. */
const KILLS = ROUNDS_PART < 1 ? 2 : 3;
/** With it a master is killed, too, the second and the third time. */
const SEED = "3";
const MASTERS = KILLS - 1;
const timeout = 300_000;

async function run(options: Pick<KillOptions, "service" | "members">): Promise<void> {
  const notes: string[] = [];
  const report = await killLeaders({ ...options, kills: KILLS, seed: SEED, onNote: (line) => notes.push(line) });
  assertEquals(report.findings, [], notes.join("\n"));
  assertEquals([report.leaderMs.length, report.terms >= KILLS + 1, report.masters], [KILLS, true, MASTERS]);
  assertGreater(report.acknowledged, 100);
}

describe("a cluster whose leading index server is killed", () => {
  it("loses nothing, and has one leader at a time, on etcd", { skip: withoutEtcd, timeout }, () =>
    run({ service: "etcd", members: 3 }),
  );

  it("loses nothing, and has one leader at a time, on ZooKeeper", { skip: withoutZooKeeper, timeout }, () =>
    run({ service: "zookeeper", members: 1 }),
  );
});
