/** `flare bench` as a program: its figures, its keys, and its end. */

import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cluster, startCluster } from "../../mod.ts";
import { clientRuntime } from "../support/daemon.ts";
import { type Finished, runProgram, startProgram } from "../support/spawn.ts";

let cluster: Cluster;
let environment: Record<string, string>;

before(async () => {
  cluster = await startCluster({ runtime: clientRuntime(), partitions: 1, slaves: 1 });
  environment = { FLARE_INDEX_SERVER: `${cluster.indexAddress.host}:${cluster.indexAddress.port}` };
});

after(() => cluster.stop());

function bench(...args: readonly string[]): Promise<Finished> {
  const short = ["--duration", "0.5", "--warm-up", "0.1", "--keys", "1000", "-c", "8"];
  return runProgram("flare", ["bench", ...short, ...args], environment);
}

async function keysLeft(): Promise<number> {
  using client = cluster.client();
  let count = 0;
  for await (const _ of client.scan({ prefix: "flare-bench:" })) count++;
  return count;
}

describe("flare bench", () => {
  it("measures a cluster, and removes its keys", async () => {
    const { status, stdout, stderr } = await bench("--depth", "4", "--pids", String(process.pid));
    assertEquals(status, 0, stdout + stderr);
    assertMatch(
      stdout,
      /^2 servers, 8 connections with 4 under way each, 90 % gets, else sets; 1000 keys with values of 100 bytes$/m,
    );
    assertMatch(stdout, /^requests {2}\d+\/s: \d+\/s gets, \d+\/s sets, in \d+\.\d s; 0 of \d+ keys not found$/m);
    assertMatch(stdout, /^latency {3}mean \d+\.\d{3}, p50 .* ms$/m);
    assertMatch(stdout, /^cpu {7}server \d+: \d+ % of a core, \d+\.\d\d µs per request$/m);
    assertStringIncludes(stderr, "removing 1000 keys");
    assertEquals(await keysLeft(), 0);
  });

  it("prints data", async () => {
    const [address] = cluster.addresses;
    const node = `${address.host}:${address.port}`;
    const { status, stdout } = await bench("-o", "json", "--node", node, "--prefix", "flare-bench:mine:", "--get-percent", "0");
    assertEquals(status, 0, stdout);
    const { load, requestsPerSecond, gets, sets } = JSON.parse(stdout) as Record<string, unknown>;
    assertEquals([(load as { servers: string[] }).servers, gets], [[node], 0]);
    assert((requestsPerSecond as number) > 0 && (sets as number) > 0);
  });

  it("removes its keys when it is interrupted", async () => {
    const args = ["bench", "--duration", "86400", "--keys", "1000", "-c", "2"];
    const program = startProgram("flare", args, environment);
    await program.waitFor("measuring for");
    program.kill("SIGINT");
    assertStringIncludes((await program.finished).stdout, "warning: interrupted");
    assertEquals(await keysLeft(), 0);
  });

  it("refuses what it cannot do", async () => {
    const foreign = await bench("--prefix", "user:");
    assertEquals(foreign.status, 2);
    assertStringIncludes(foreign.stderr, "keys outside of that prefix are never written");
    assertStringIncludes((await bench("--get-percent", "101")).stderr, '"getPercent"');
    assertEquals((await bench("--pids", "999999999")).status, 2);
    assertEquals((await bench("--node", "127.0.0.1:1")).status, 1);
    assertEquals(await keysLeft(), 0);
  });
});
