/** `flare watch`: what it prints while a cluster changes, its nodes are used, and one of them dies. */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Client, type Cluster, startCluster } from "../../mod.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { startInTerminal } from "../support/pseudo_terminal.ts";
import { runProgram, startProgram } from "../support/spawn.ts";

let cluster: Cluster;
let environment: Record<string, string>;

before(async () => {
  cluster = await startCluster({ runtime: clientRuntime(), monitorIntervalMs: 100 });
  environment = { FLARE_INDEX_SERVER: `${cluster.indexAddress.host}:${cluster.indexAddress.port}` };
});

after(() => cluster.stop());

describe("flare watch", () => {
  it("prints changes of the node map, and the logs of all nodes, also of new ones", async () => {
    const program = startProgram("flare", ["watch", "--wait", "0.1", "--log", "mutations, connevents"], environment);
    await program.waitFor(": node map ");
    using client = cluster.client();
    await waitUntil(async () => {
      await client.set("a-key", "value");
      return program.output.includes("type=item_store key=a-key");
    }, "the log of the node is followed");
    const node = await cluster.addNode();
    await program.waitFor(`added "${node.key}"`);
    await waitUntil(async () => {
      using visitor = new Client(node.address);
      await visitor.ping();
      return program.output.includes(`${node.key} ts=`);
    }, "the log of the new node is followed");
    await node.stop({ announce: false });
    await program.waitFor(`gap: the log of "${node.key}" is not followed`);
    await program.waitFor(`lost "${node.key}"`);
    program.kill("SIGTERM");
    const { stdout, stderr } = await program.finished;
    assertMatch(stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z node map \d+: lost "[^;]*; the monitor: it does not answer$/m);
    assertMatch(stdout, /^\S+ node map \d+: added "[^;]*; "node add [^"]*" from 127\.0\.0\.1:\d+$/m);
    assertMatch(stderr, /^watching [\d.:]+: node map \d+, 1 nodes$/m);
    assert(!stdout.includes("\u001b"));
  });

  it("prints a line of JSON for each event", async () => {
    const program = startProgram("flare", ["watch", "-w", "0.1", "-o", "json"], environment);
    await program.waitFor(": node map ");
    const node = await cluster.addNode();
    await program.waitFor(`"kind":"added","server":"${node.key}"`);
    await node.stop();
    await program.waitFor(`"kind":"lost","server":"${node.key}"`);
    program.kill("SIGTERM");
    for (const line of (await program.finished).stdout.trimEnd().split("\n")) {
      const event = JSON.parse(line) as Record<string, string>;
      assertEquals(Object.keys(event), ["at", "kind", "server", "text", "cause"]);
      assertStringIncludes(event.text ?? "", "node map ");
    }
  });

  it("shows in a terminal what is bad in red", async () => {
    const program = startInTerminal("flare", ["watch", "-w", "0.1"], environment);
    await program.waitFor(": node map ");
    const node = await cluster.addNode();
    await program.waitFor(`added "${node.key}"`);
    await node.stop();
    await program.waitFor(`lost "${node.key}"`);
    assertMatch(program.output, new RegExp(`Z .\\[31mnode map \\d+: lost "${node.key}"`));
    program.type("\u0003");
    await program.finished;
  });

  it("refuses what is no kind of event, and needs an index server to begin with", async () => {
    const wrong = await runProgram("flare", ["watch", "--log", "mutations,gossip"], environment);
    assertEquals(wrong.status, 2);
    assertStringIncludes(wrong.stderr, 'option "log": "gossip" is not one of fetchers, mutations');
    assertEquals((await runProgram("flare", ["watch", "-i", "127.0.0.1:1"])).status, 1);
  });
});
