/** `flare check`, and the confirmation before an only copy is taken out of service, as programs. */

import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cluster, startCluster } from "../../mod.ts";
import { type Finished, runProgram } from "../support/spawn.ts";

let cluster: Cluster;
let nodes: string[];

before(async () => {
  cluster = await startCluster({ nodes: 3, partitions: 1, slaves: 1, monitorIntervalMs: 100, logLevel: "error" });
  nodes = cluster.nodes.map(({ key }) => key);
});

after(() => cluster.stop());

function flare(...args: readonly string[]): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: `127.0.0.1:${cluster.indexAddress.port}` });
}

describe("flare check", () => {
  it("ends with 0, 1 or 2, and says what is wrong and what to do", async () => {
    const index = `127.0.0.1:${cluster.indexAddress.port}`;
    const [well, quiet, nobody] = await Promise.all([
      flare("check"),
      flare("check", "--quiet"),
      flare("check", "--index-server", "127.0.0.1:1"),
    ]);
    assertEquals(well, { status: 0, stdout: `${index}: healthy\n`, stderr: "" });
    assertEquals(quiet, { status: 0, stdout: "", stderr: "" });
    assertEquals(nobody.status, 2);
    assertMatch(
      nobody.stdout,
      /^broken {3}127.0.0.1:1: the index server does not answer: .*\n {9}-> start it, .*\n127.0.0.1:1: broken\n$/,
    );

    const several = await flare("stats", "--index", "--delimiter", "|", "--index-server", `127.0.0.1:1,${index}`);
    assertMatch(
      several.stdout,
      new RegExp(
        `^index server.*\\n127.0.0.1:1\\|silent.*\\n${index}\\|leads\\|${index}\\|\\d{4}-.*Z\\|1\\|\\d+\\|memory://\\n$`,
      ),
    );
    const listed = await flare("list", "--index-server", `127.0.0.1:1,${index}`);
    assertEquals([listed.status, listed.stdout.split("\n").length], [0, 5]);

    assertEquals((await flare("down", nodes[1] as string, "--force")).status, 0);
    const degraded = await flare("check", "-o", "json");
    const { state, findings } = JSON.parse(degraded.stdout) as { state: string; findings: Record<string, string>[] };
    assertEquals([degraded.status, state], [1, "degraded"]);
    const lonely = findings.find(({ about }) => about === "partition 0");
    assertEquals(lonely?.problem, `${nodes[0]} has the only copy of its keys`);
    assertMatch(lonely?.advice ?? "", /^flare slave 127\.0\.0\.1:\d+:1:0$/);
  });
});

describe("an only copy", () => {
  it("is taken out of service only by somebody who has been warned", async () => {
    const master = nodes[0] as string;
    const copy = `warning: ${master} has the only copy of partition 0`;
    const warning = `${copy}: until it is back, its keys can be neither read nor written\n`;
    const [forced, shown] = await Promise.all([flare("down", master, "--force"), flare("down", master, "--dry-run")]);
    assertEquals([forced.status, forced.stdout], [1, ""]);
    assertStringIncludes(forced.stderr, `${warning}flare: nothing was changed: without a terminal --yes is required\n`);
    assertStringIncludes(shown.stdout, warning);
    assertEquals((await flare("down", master, "--yes", "-o", "json")).status, 0);
  });
});
