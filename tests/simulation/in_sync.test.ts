/**
 * The in-sync set in simulated clusters: whatever happens between a master and its slaves, no acknowledged write is lost with
 * the master, writes go on within the timeout, and the replicas are equal afterwards without an operator.
 *
 * Covers lib/replication/in_sync_replicas.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ClusterNode } from "../../lib/cluster/node.ts";
import { compareReplicas } from "../../lib/testing/checks.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { first, play } from "./scene.ts";

const TIMEOUT_MS = 5000;

describe("a cluster whose slave misses writes", () => {
  it("loses none of them with the master when the slave's disk was full", { timeout: 60_000 }, async () => {
    await play("full disk", 2, {}, async (scene) => {
      const slave = first(scene.slaves);
      scene.host(slave).disk.freeBytes = 0;
      await scene.until(() => scene.place(slave) === "slave prepare 1", 2000, "the slave is out");
      await scene.sleep(3000);
      assertEquals([...scene.writer.errors], []);
      scene.daemon(scene.master).kill();
      const other = scene.slaves[1] as ClusterNode;
      await scene.until(() => scene.place(other).startsWith("master active"), 20_000, "the other slave is promoted");
      assertEquals(await scene.lostAt(other), []);
      assert(scene.writer.acknowledged.length > 300);
      scene.host(slave).disk.freeBytes = Number.POSITIVE_INFINITY;
      await scene.until(() => scene.place(slave) === "slave active 1", 60_000, "the slave is back");
      assertEquals(await compareReplicas(scene.run.cluster), []);
    });
  });

  it("waits for the master's return rather than promote it", { timeout: 60_000 }, async () => {
    await play("only slave", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      scene.host(slave).disk.freeBytes = 0;
      await scene.until(() => scene.place(slave).startsWith("slave prepare"), 2000, "the slave is out");
      await scene.sleep(1000);
      scene.daemon(scene.master).kill();
      await scene.sleep(10_000);
      assertEquals([scene.place(scene.master), scene.place(slave)], ["master down 1", "slave prepare 1"]);
      scene.daemon(scene.master).start();
      scene.host(slave).disk.freeBytes = Number.POSITIVE_INFINITY;
      await scene.assertWhole();
      assertEquals(await scene.lostAt(scene.master), []);
      assertEquals(await scene.lostAt(slave), []);
    });
  });

  it("loses none of them with the master 10 s after a link was reset for 3 s", { timeout: 60_000 }, async () => {
    await play("reset 3 s", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      await scene.resetLink(scene.master, slave, 3000);
      await scene.sleep(10_000);
      scene.daemon(scene.master).kill();
      await scene.until(() => scene.place(slave).startsWith("master active"), 20_000, "the slave is promoted");
      assertEquals(await scene.lostAt(slave), []);
      assert(scene.writer.acknowledged.length > 500);
    });
  });

  for (const replicationType of ["sync", "async"] as const) {
    it(`has equal replicas by itself when a link was reset for 10 s, ${replicationType}`, { timeout: 60_000 }, async () => {
      await play(`reset 10 s ${replicationType}`, 1, { replicationType }, async (scene) => {
        await scene.resetLink(scene.master, first(scene.slaves), 10_000);
        await scene.sleep(1000);
        await scene.assertWhole();
        assertEquals([...scene.writer.errors], []);
        assert(scene.writer.gapMs < TIMEOUT_MS + 1000, `no write for ${scene.writer.gapMs} ms`);
        assertEquals(await scene.lostAt(first(scene.slaves)), []);
      });
    });
  }

  it("says that a prefix is deleted only when every slave has the deletions or is out", { timeout: 60_000 }, async () => {
    await play("delete_prefix", 1, {}, async (scene) => {
      const { master, writer } = scene;
      const slave = first(scene.slaves);
      writer.stop();
      await scene.sleep(1000);
      scene.cutLink(master, slave);
      const client = new SimClient(scene.run.world.host("deleter").start(), master.host, master.port, 60_000);
      const answer = await client.request("delete_prefix 1000 pkey\r\n", "line");
      assertEquals(scene.place(slave), "slave prepare 1");
      assertEquals(answer, { kind: "line", line: `DELETED ${writer.acknowledged.length}` });
      client.close();
    });
  });

  it("goes on within the timeout when a link drops packets, and is whole when it works again", {
    timeout: 60_000,
  }, async () => {
    await play("drops packets", 2, {}, async (scene) => {
      const slave = first(scene.slaves);
      scene.cutLink(scene.master, slave);
      await scene.until(() => scene.place(slave) === "slave prepare 1", TIMEOUT_MS + 1000, "the slave is out");
      await scene.sleep(20_000);
      assert(scene.writer.gapMs < TIMEOUT_MS + 1000, `no write for ${scene.writer.gapMs} ms`);
      assertEquals([...scene.writer.errors], []);
      assert(scene.writer.acknowledged.length > 2000);
      scene.mendLink(scene.master, slave);
      await scene.assertWhole();
      assertEquals(scene.place(slave), "slave active 1");
    });
  });

  it("has equal replicas by itself when nobody waits for the slave that is cut off", { timeout: 60_000 }, async () => {
    await play("cut off, async", 1, { replicationType: "async" }, async (scene) => {
      const slave = first(scene.slaves);
      scene.cutLink(scene.master, slave);
      await scene.until(() => scene.place(slave).startsWith("slave prepare"), 8000, "the slave is out");
      scene.mendLink(scene.master, slave);
      await scene.sleep(1000);
      await scene.assertWhole();
      assertEquals(await scene.lostAt(slave), []);
    });
  });

  it("acknowledges nothing while the index server cannot be asked, and says what is in doubt", {
    timeout: 60_000,
  }, async () => {
    await play("index gone", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      scene.run.cluster.index.kill();
      scene.cutLink(scene.master, slave);
      await scene.sleep(500);
      const before = scene.writer.acknowledged.length;
      await scene.sleep(30_000);
      assertEquals(scene.writer.acknowledged.length, before);
      assertEquals(
        [...scene.writer.errors.keys()],
        [
          `SERVER_ERROR in doubt: written here, but not confirmed by replica "${slave.key}" ` +
            "(no index server has taken it out of the in-sync set)",
          "SERVER_ERROR this node cannot answer for its partition now: " +
            "not every slave has confirmed that it is still the master",
        ],
      );
      scene.run.cluster.index.start();
      await scene.until(() => scene.place(slave) === "slave prepare 1", 10_000, "the slave is out");
      await scene.sleep(1000);
      assert(scene.writer.acknowledged.length > before, "writes go on");
      scene.mendLink(scene.master, slave);
      await scene.assertWhole();
      assertEquals(await scene.lostAt(slave), []);
    });
  });
});
