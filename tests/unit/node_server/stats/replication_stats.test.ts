/**
 * What `stats replication` and the log of a master say of its slaves. Covers lib/node_server/stats/replication_stats.ts,
 * lib/replication/partition_epoch.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { NodeServerOptions } from "../../../../lib/node_server/node_server_options.ts";
import { parseStatLine } from "../../../../lib/protocol/stat_lines.ts";
import { agrees, PlayedNode } from "../../../support/played_node.ts";

const SLAVE = "127.0.0.1:2002";
const PAIR = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];

async function startMaster(options: Partial<NodeServerOptions> = {}, knowsStreams = true): Promise<PlayedNode> {
  const node = new PlayedNode();
  node.keepsInSyncSet = true;
  const slave = node.host(SLAVE);
  slave.knowsStreams = knowsStreams;
  slave.answer = knowsStreams ? agrees : () => "STORED\r\n";
  // The name of its log.
  node.network.draws.push(...Array.from({ length: 100 }, (_, at) => at + 1));
  await node.start(PAIR, options);
  await node.push(5, PAIR);
  await node.network.pass(1000);
  return node;
}

/** The figures whose names begin with `prefix`, without it. */
async function figures(node: PlayedNode, prefix: string): Promise<Record<string, string>> {
  const lines = (await node.ask("stats replication\r\n")).split("\r\n");
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [name = "", value = ""] = parseStatLine(line) ?? [];
      return name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [];
    }),
  );
}

describe("stats replication", () => {
  it("says of a slave how far it is behind", async () => {
    const node = await startMaster();
    const slave = node.host(SLAVE);
    await node.ask("set a 0 0 1\r\n1\r\n");
    const { lease_age_seconds, ...even } = await figures(node, `${SLAVE}:`);
    const known = { stream: "open", in_sync: "yes" };
    assertEquals(even, { ...known, sequence: "1", lag_entries: "0", lag_bytes: "0", lag_seconds: "0.000" });
    assert(Number(lease_age_seconds) < 0.6, lease_age_seconds);
    slave.answer = () => undefined;
    await node.ask("set b 0 0 1\r\n1\r\nset c 0 0 1\r\n1\r\n");
    await node.network.pass(2000);
    const { lag_bytes, lag_seconds, lease_age_seconds: age, ...behind } = await figures(node, `${SLAVE}:`);
    assertEquals(behind, { ...known, sequence: "1", lag_entries: "2" });
    assert(Number(lag_bytes) > 50 && Number(lag_bytes) < 500, lag_bytes);
    assert(Number(lag_seconds) >= 2 && Number(lag_seconds) < 2.1, lag_seconds);
    assert(Number(age) >= 2 && Number(age) < 2.6, age);
    await node.stop();
  });

  it("says what is promised, and by which map", async () => {
    for (const [options, knowsStreams, guarantees] of [
      [{ replicationType: "async" }, true, "async"],
      [{ replicationType: "sync", fsync: "always" }, true, "sync"],
      [{ replicationType: "sync" }, false, "legacy"],
    ] as const) {
      const node = await startMaster(options, knowsStreams);
      await node.ask("set a 0 0 1\r\n1\r\n");
      await node.push(6, [...PAIR, "2009 0 0 1 1 18"]);
      const { lease_age_seconds, ...said } = await figures(node, "replication_");
      assert(guarantees === "legacy" ? lease_age_seconds === undefined : Number(lease_age_seconds) < 0.6);
      assertEquals(said, {
        queue: "0",
        failures: "0",
        dropped: "0",
        refused: "0",
        guarantees,
        fsync: guarantees === "sync" ? "always" : "interval",
        // The other partition is no concern of it.
        epoch: "0",
        removals: "0",
        holds: "0",
        holding: "no",
        lease: guarantees === "legacy" ? "not_needed" : "held",
        sequence: "1",
      });
      await node.push(7, [...PAIR, "2003 1 2 0 0 18", "2009 0 0 1 1 18"]);
      assertEquals((await figures(node, "replication_")).epoch, "7");
      await node.stop();
    }
  });

  it("says why a slave is not in sync, and the log when it is again", async () => {
    const node = await startMaster();
    node.host(SLAVE).answer = (request) => (request.includes(">block ") ? "SERVER_ERROR disk full\r\n" : "OK\r\n");
    await node.ask("set a 0 0 1\r\n1\r\n");
    await node.push(6, ["2001 0 0 0 1 16", "2002 1 1 0 0 17"]);
    const reason = 'its stream has failed: it answered "SERVER_ERROR disk full"';
    const { in_sync, why_not } = await figures(node, `${SLAVE}:`);
    assertEquals([in_sync, why_not?.replaceAll("%20", " ")], ["no", reason]);
    node.host(SLAVE).answer = () => "STORED\r\n";
    await node.network.pass(4000);
    await node.ask(`<${SLAVE}>dump 0 0 1\r\n`);
    assertEquals(await node.ask("node admit 127.0.0.1 2002\r\n"), "OK\r\n");
    await node.push(7, PAIR);
    assertEquals(
      node.network.logged.filter((line) => line.includes("the in-sync set")),
      [
        `warning replica "${SLAVE}" was taken out of the in-sync set: ${reason}`,
        `notice replica "${SLAVE}" is in the in-sync set again, after 4000 ms`,
      ],
    );
    assertEquals(Object.keys(await figures(node, `${SLAVE}:`)).includes("why_not"), false);
    await node.stop();
  });
});
