/**
 * The cluster that fails on purpose, as the tests of other programs use it: it is the same for a seed, time passes only while
 * it is awaited, each fault is one, and what goes wrong is found and explained.
 *
 * Covers lib/testing/cluster_faults.ts, lib/testing/recorded_client.ts and lib/testing/start_failing_cluster.ts.
 */

import { describe, it } from "node:test";
import { setTimeout as sleepReally } from "node:timers/promises";
import { assert, assertEquals, assertGreater, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { Client } from "../../../lib/client/client.ts";
import type { FailingCluster } from "../../../lib/testing/public_failing_cluster.ts";
import { startFailingCluster } from "../../../lib/testing/start_failing_cluster.ts";

/** The code of the error that a promise is rejected with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert(error instanceof FlareError, `${error}`);
  return error.code;
}

function masterOf(cluster: FailingCluster): string {
  const master = cluster.master();
  assert(master !== undefined);
  return master;
}

describe("a failing cluster", () => {
  it("takes the same course for the same seed, and another one for another", { timeout: 60_000 }, async () => {
    const course = async (seed: number): Promise<string> => {
      await using cluster = await startFailingCluster({ seed, slaves: 2, spares: 1 });
      const load = cluster.startLoad();
      await cluster.faults.storm({ durationMs: 4000, kinds: ["kill", "cut", "reset"] });
      await load.stop();
      const { operations, keys, findings } = await cluster.check();
      assertGreater(operations, 100);
      assertEquals(findings, []);
      return `${cluster.hash} ${cluster.nowMs} ${operations} ${keys} ${cluster.faults.list.join()}`;
    };
    const first = await course(1);
    assertEquals(await course(1), first);
    assertNotEquals(await course(2), first);
  });

  it("lets no time pass unless something is awaited", async () => {
    await using cluster = await startFailingCluster({ slaves: 0 });
    const { nowMs } = cluster;
    await sleepReally(20);
    assertEquals(cluster.nowMs, nowMs);
    await cluster.sleep(1000);
    assertEquals(Math.round(cluster.nowMs - nowMs), 1000);
  });

  it("goes on without any of several index servers, and while what they share fails", { timeout: 60_000 }, async () => {
    await using cluster = await startFailingCluster({ seed: 5, slaves: 1, spares: 1, indexServers: 3 });
    assertEquals(cluster.indexServers, ["index.sim", "index2.sim", "index3.sim"]);
    const first = cluster.leader() as string;
    const master = masterOf(cluster);
    using client = cluster.client();
    await client.set("a", "1");
    cluster.faults.kill(first);
    cluster.faults.kill(master);
    for (let waitedMs = 0; cluster.master() === master || cluster.leader() === undefined; waitedMs += 500) {
      assert(waitedMs < 60_000, `${first} ${master}: ${cluster.leader()} ${cluster.master()}`);
      await cluster.sleep(500);
    }
    assertNotEquals(cluster.leader(), first);
    assertEquals(await client.get("a"), "1");
    // Without the map nobody can take over for a master; with it somebody does.
    const [second, next] = [cluster.leader(), masterOf(cluster)];
    cluster.faults.mapService({ away: true });
    await cluster.sleep(20_000);
    assertEquals([cluster.leader(), await client.get("a")], [undefined, "1"]);
    cluster.faults.mapService({ slowMs: 100, lostAnswers: 0.1 });
    await cluster.sleep(20_000);
    assert(cluster.leader() !== undefined, `${second} ${next}`);
    cluster.faults.isolate(cluster.mapService as string);
    await cluster.sleep(10_000);
    assertEquals(cluster.leader(), undefined);
    await cluster.check();
    assert(cluster.leader() !== undefined);
  });

  it("has storms of faults of the leading index server, if there are several", { timeout: 60_000 }, async () => {
    const course = async (): Promise<string> => {
      await using cluster = await startFailingCluster({ seed: 8, slaves: 1, spares: 1, indexServers: 3 });
      const load = cluster.startLoad();
      await cluster.faults.storm({ durationMs: 8000, kinds: ["leaderKill", "leaderPause", "leaderCut", "mapService"] });
      await load.stop();
      assertGreater(cluster.faults.list.length, 2);
      await cluster.check();
      return `${cluster.hash} ${cluster.faults.list.join()}`;
    };
    assertEquals(await course(), await course());
    await using alone = await startFailingCluster({ slaves: 0 });
    assertEquals([alone.leader(), alone.indexServers, alone.mapService], [alone.index, [alone.index], undefined]);
    const error = await alone.faults.storm({ kinds: ["leaderKill"] }).catch((reason: Error) => reason.message);
    assertMatch(`${error}`, /^"leaderKill" needs several index servers; there are kill, stop, /);
    assertThrows(() => alone.faults.mapService({}), FlareError, "there is one index server");
  });

  it("executes all commands, in the order of their calls for each key", async () => {
    await using cluster = await startFailingCluster({ partitions: 2, slaves: 0 });
    using client = cluster.client();
    assertEquals(await Promise.all([client.set("a", "1"), client.incr("a"), client.get("a")]), ["STORED", 2, "2"]);
    assertEquals([await client.add("a", "x"), await client.add("b", "x")], ["NOT_STORED", "STORED"]);
    assertEquals([await client.append("b", "y"), await client.prepend("b", "w")], ["STORED", "STORED"]);
    assertEquals([await client.replace("c", "x"), await client.replace("b", "é")], ["NOT_STORED", "STORED"]);
    const item = await client.gets("b");
    assertEquals(item, { value: "é", version: "4" });
    assertEquals([await client.cas("b", "z", "3"), await client.cas("b", "z", "4")], ["EXISTS", "STORED"]);
    assertEquals([await client.decr("a", 5), await client.incr("none"), await client.get("none")], [0, undefined, undefined]);
    assertEquals([await client.delete("a"), await client.delete("a")], ["DELETED", "NOT_FOUND"]);
    assertEquals(await codeOf(client.incr("b")), "REFUSED");
    const { operations, keys, unknown } = await cluster.check();
    // Each node is asked once for each of the four keys.
    assertEquals([operations - 2 * keys, keys, unknown], [18, 4, 0]);
  });

  it("keeps what was acknowledged when a master dies for ever", { timeout: 60_000 }, async () => {
    await using cluster = await startFailingCluster({ seed: 3, slaves: 1 });
    const master = masterOf(cluster);
    assertEquals(cluster.slaves().length, 1);
    using client = cluster.client();
    for (let number = 0; number < 20; number++) await client.set(`key${number}`, `${number}`);
    cluster.faults.kill(master);
    await cluster.sleep(15_000);
    assertNotEquals(masterOf(cluster), master);
    for (let number = 0; number < 20; number++) assertEquals(await client.get(`key${number}`), `${number}`);
    await cluster.check();
  });

  it("says what is in doubt and what has not happened", async () => {
    await using cluster = await startFailingCluster({ slaves: 0 });
    const node = masterOf(cluster);
    using client = cluster.client({ node, timeoutMs: 1000 });
    await client.set("a", "1");
    cluster.faults.cut(client.machine, node);
    assertEquals(await codeOf(client.set("a", "2")), "IN_DOUBT");
    assertEquals(
      [await codeOf(client.set("a", "3")), await codeOf(client.get("a"))],
      ["CONNECTION_FAILED", "CONNECTION_FAILED"],
    );
    cluster.faults.mend(client.machine, node);
    assertMatch((await client.get("a")) ?? "", /^[12]$/);
    assertEquals((await cluster.check()).unknown, 1);
  });

  it("finds a lost write, explains it, and says how to repeat it", { timeout: 60_000 }, async () => {
    const lose = async (): Promise<FailingCluster> => {
      const cluster = await startFailingCluster({ seed: "loss", slaves: 1, replicationType: "async" });
      const [master, [slave]] = [masterOf(cluster), cluster.slaves()];
      using client = cluster.client({ node: master });
      await client.set("a", "1");
      await cluster.sleep(1000);
      cluster.faults.slow(master, slave ?? "", 3000);
      assertEquals(await client.set("a", "2"), "STORED");
      cluster.faults.cutPower(master);
      await cluster.sleep(20_000);
      assertEquals(await cluster.client({ node: slave ?? "" }).get("a"), "1");
      return cluster;
    };
    {
      await using cluster = await lose();
      const error = await assertRejects(() => cluster.check({ recoveryMs: 5000 }), Error);
      for (const part of ["lostWrite: ", "set a 0 0 1 2 → STORED", "power of ", 'seed "loss"']) {
        assert(error.message.includes(part), error.message);
      }
    }
    await using cluster = await lose();
    // The former master has what the new one has not: it does not copy from it without an operator's word.
    const { findings } = await cluster.check({ recoveryMs: 5000, allowed: ["lostWrite", "unserved", "differ"] });
    assert(findings.some(({ name }) => name === "lostWrite"));
  });

  it("stands every fault that can be ordered, with a load", { timeout: 120_000 }, async () => {
    await using cluster = await startFailingCluster({ seed: 5, slaves: 2, spares: 1 });
    const { faults, index } = cluster;
    const load = cluster.startLoad({ clients: 2, keys: 4 });
    const [one = "", other = ""] = cluster.nodes;
    const strikes: (() => void | Promise<void>)[] = [
      () => faults.pause(one),
      () => faults.resume(one),
      () => faults.isolate(other),
      () => faults.mend(one, other),
      () => faults.lose(index, one, 0.5),
      () => faults.reset(one, other),
      () => faults.disk(other, { slowMs: 50, freeBytes: 10_000, append: 0.1, sync: 0.1, read: 0.1 }),
      () => faults.clock(one, 3_600_000, 1.1),
      () => faults.cut(one, index, true),
      () => faults.kill(index),
      () => faults.start(index),
      () => faults.stop(other),
      () => faults.start(other),
      () => faults.cutPower(one),
    ];
    for (const strike of strikes) {
      await strike();
      await cluster.sleep(700);
    }
    await load.stop();
    const { operations } = await cluster.check();
    assertGreater(operations, 50);
    assertEquals(faults.list.length, strikes.length + 1);
    assertMatch(faults.list[0] ?? "", /^\d+ ms: pause node1\.sim$/);
  });

  it("runs code of one's own on a machine of its own", async () => {
    await using cluster = await startFailingCluster({ slaves: 0 });
    const client = new Client({ ...cluster.address(masterOf(cluster)), runtime: cluster.runtime("app") });
    const value = await cluster.run(async () => {
      await client.set("a", "1");
      cluster.faults.pause(masterOf(cluster));
      const late = client.get("a");
      await cluster.sleep(500);
      cluster.faults.resume(masterOf(cluster));
      return (await late)?.value;
    });
    assertEquals(new TextDecoder().decode(value), "1");
    client.close();
  });

  it("refuses what does not exist, and ends what is awaited when it is over", async () => {
    assertEquals(await codeOf(startFailingCluster({ slave: 1 } as never)), "INVALID_OPTION");
    const cluster = await startFailingCluster({ slaves: 0 });
    const client = cluster.client();
    assertThrows(() => cluster.faults.kill("node9.sim"), FlareError, 'no server on a machine "node9.sim"; there are index.sim');
    assertThrows(() => cluster.faults.isolate("mars"), FlareError, 'no machine "mars"');
    assertThrows(() => cluster.client({ node: "index.sim" }), FlareError, 'no node "index.sim"');
    assertEquals(await codeOf(cluster.faults.storm({ kinds: ["rain" as never] })), "INVALID_OPTION");
    await assertRejects(() => client.get("a b"), FlareError, 'key "a b"');
    await assertRejects(() => client.set("a", "→"), FlareError, "Latin-1");
    cluster.faults.kill("index.sim");
    assertEquals(await codeOf(cluster.settled(2000)), "TIMED_OUT");
    const waiting = codeOf(cluster.sleep(1e6));
    await cluster[Symbol.asyncDispose]();
    assertEquals([await waiting, await codeOf(cluster.sleep(1))], ["CLOSED", "CLOSED"]);
    client.close();
    await assertRejects(() => client.set("a", "1"), FlareError, "closed");
  });
});
