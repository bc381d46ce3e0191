/** What `verify` says of a slave when its comparison is complete, is refused, breaks off, or is not possible. */

import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ClusterAccess } from "../../../lib/admin/cluster_host.ts";
import { checkReplica, type ReplicaReport } from "../../../lib/admin/replica_check.ts";
import { replicaText } from "../../../lib/admin/verify.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { StorageWorld, turns } from "../../support/storage_world.ts";

const KNOWN = "CLIENT_ERROR bad command line format";

function node(port: number, role: NodeRole, state: NodeState = NodeState.active): ClusterNode {
  return { key: `h:${port}`, host: "h", port, role, state, partition: 1, balance: 1, threadType: port };
}

/** Checks a slave on a cluster whose answers the test gives: to the question whether it is known, and to pages. */
async function check(
  answers: { master?: string; slave?: string; pages?: (string[] | FlareError)[] },
  state: NodeState = NodeState.active,
): Promise<{ report: ReplicaReport; asked: string[] }> {
  const world = new StorageWorld();
  const asked: string[] = [];
  const pages = [...(answers.pages ?? [])];
  const client = (key: string): unknown => ({
    line: async () => (key === "h:1" ? answers.master : answers.slave) ?? KNOWN,
    lines: async (command: string) => {
      asked.push(command);
      const page = pages.shift() ?? new FlareError("CONNECTION_FAILED", "gone");
      if (page instanceof FlareError) throw page;
      return page;
    },
  });
  const cluster = { client, runtime: world.runtime } as unknown as Pick<ClusterAccess, "client" | "runtime">;
  const checking = checkReplica(cluster, node(1, NodeRole.master), node(2, NodeRole.slave, state), {
    repair: true,
    onDifference: () => undefined,
  });
  let report: ReplicaReport | undefined;
  void checking.then((done) => {
    report = done;
  });
  for (await turns(5); report === undefined; await turns(5)) await world.advance(1000);
  return { report, asked };
}

describe("a slave compared with its master", () => {
  it("is reported page by page", async () => {
    const { report, asked } = await check({
      pages: [["DIFFERENT YQ== 2 1 repaired", "DIFFERENT Yg== 2 - kept", "COMPARED 500 1 Yg=="], ["COMPARED 20 0 -"]],
    });
    assertEquals(asked, ["node compare h 2 - repair", "node compare h 2 Yg== repair"]);
    const text = 'slave "h:2" and its master "h:1": 520 items compared, 2 keys differ, 1 of them repaired, 1 too busy to tell';
    assertEquals([report.outcome, replicaText(report)], ["complete", text]);
  });

  it("is asked for again while something changes, and not for ever", async () => {
    const refused = new FlareError("REFUSED", "the node map is changing");
    const { report } = await check({ pages: [refused, refused, ["COMPARED 3 0 -"]] });
    assertEquals([report.outcome, report.items], ["complete", 3]);
    const never = await check({ pages: Array(9).fill(refused) });
    assertEquals([never.report.outcome, never.asked.length], ["failed", 5]);
    assertStringIncludes(replicaText(never.report), "0 items compared, 0 keys differ; not completed: the node map is changing");
  });

  it("is said not to be compared if one of the two does not know how", async () => {
    for (const [answers, name] of [
      [{ master: "ERROR" }, "h:1"],
      [{ slave: "ERROR" }, "h:2"],
    ] as const) {
      const { report, asked } = await check(answers);
      assertEquals([report.outcome, asked], ["unknown", []]);
      assertStringIncludes(replicaText(report), `not compared, "${name}" does not know the comparison of replicas`);
    }
  });

  it("fails if it is not active, breaks off, or answers nonsense", async () => {
    assertEquals((await check({}, NodeState.prepare)).report.reason, "it is not active");
    const broken = await check({ pages: [["COMPARED 7 0 YQ=="]] });
    assertEquals([broken.report.outcome, broken.report.items, broken.report.reason], ["failed", 7, "gone"]);
    assertEquals((await check({ pages: [["nonsense"]] })).report.reason, '"h:1" sent a malformed comparison');
  });
});
