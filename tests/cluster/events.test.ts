/** The event log of a real cluster: what the index server and the nodes say of a copy, a promotion and a refusal. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { detectRuntime, type Runtime, startCluster } from "../../mod.ts";
import { waitUntil } from "../support/daemon.ts";

describe("events of a cluster", () => {
  it("are one line each, with the cause at the index server, and the same at the nodes", async () => {
    const lines: string[] = [];
    const detected = detectRuntime();
    const runtime: Runtime = { ...detected, log: { write: (level, message) => void lines.push(`${level} ${message}`) } };
    await using cluster = await startCluster({ runtime, slaves: 1 });
    const [master, slave] = cluster.nodes;
    assert(master !== undefined && slave !== undefined);
    const [gone, promoted] = [master.key, slave.key];

    assertEquals(lines.filter((line) => line.startsWith("notice copying partition 0 of 1 from")).length, 1);
    assertEquals(lines.filter((line) => line.startsWith("notice copy complete: ")).length, 1);
    lines.length = 0;
    await master.stop();
    const promotion =
      `node map 8: promoted "${promoted}": slave of partition 0, active, balance 1 -> ` +
      "master of partition 0, active, balance 1";
    const told = () =>
      lines.filter((line) => /node map \d+: promoted /.test(line)).map((line) => line.replace(/map \d+/, "map 8"));
    await waitUntil(() => told().length >= 2, "the promotion at the index server and at a node");
    const cause = `; "shutdown ${gone?.split(":").join(" ")}" from `;
    const [asked, ...others] = told().sort((one, other) => other.length - one.length);
    assert(asked?.startsWith(`notice ${promotion}${cause}127.0.0.1:`), asked);
    // At level info where it is not the node's own.
    for (const line of others) assertEquals(line.replace(/^info/, "notice"), `notice ${promotion}`);
    await waitUntil(() => told().includes(`notice ${promotion}`), "the promotion at the promoted node");
  });
});
