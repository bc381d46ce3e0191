/**
 * A slave that is behind, in simulated clusters: with asynchronous replication no more acknowledged writes are lost with the
 * master than `replication-lag-max` allows; writers wait for the slave or it leaves the in-sync set, and it holds nobody up for
 * ever.
 *
 * Covers lib/replication/stream/lag_limit.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { NodeServerOptions } from "../../lib/node_server/node_server_options.ts";
import { first, play, type Scene } from "./scene.ts";

const TIMEOUT_MS = 5000;
const OUTAGE_MS = 3000;
/** What is sent to a slow slave arrives so much later. */
const DELAY_MS = 2000;
const LAG_MAX_MS = 500;
/** The writer's. */
const WRITES_PER_SECOND = 100;

async function playAsync(name: string, node: Partial<NodeServerOptions>, story: (scene: Scene) => Promise<void>) {
  await play(name, 1, { replicationType: "async", node }, story);
}

/** How many acknowledged writes are lost when the link to the slave fails and then the master's machine dies. */
async function lossOf(node: Partial<NodeServerOptions>): Promise<number> {
  let lost = Number.NaN;
  await playAsync(`dies behind a broken link ${JSON.stringify(node)}`, node, async (scene) => {
    const { master, writer } = scene;
    const slave = first(scene.slaves);
    scene.cutLink(master, slave);
    await scene.sleep(OUTAGE_MS);
    assertEquals([scene.place(slave), writer.errors.size], ["slave active 1", 0]);
    scene.daemon(master).cutPower();
    scene.mendLink(master, slave);
    await scene.until(() => scene.place(slave).startsWith("master active"), 20_000, "the slave is promoted");
    lost = (await scene.lostAt(slave)).length;
    assertGreater(writer.acknowledged.length, lost);
  });
  return lost;
}

describe("a master with asynchronous replication whose machine dies 3 s after the link to its slave", () => {
  it("loses no more than the writes of replication-lag-max", { timeout: 60_000 }, async () => {
    assertLess(await lossOf({ replicationLagMaxMs: LAG_MAX_MS }), (LAG_MAX_MS / 1000 + 0.1) * WRITES_PER_SECOND);
  });

  it("loses what its slave did not have where there is no limit", { timeout: 60_000 }, async () => {
    assertGreater(await lossOf({ replicationLagMaxMs: 0 }), (OUTAGE_MS / 1000 - 0.5) * WRITES_PER_SECOND);
  });
});

describe("a slave that is further behind than replication-lag-max", () => {
  it("leaves the in-sync set where that is the policy, and is back when it has caught up", { timeout: 60_000 }, async () => {
    const node = { replicationLagMaxMs: LAG_MAX_MS, replicationLagPolicy: "leave" } as const;
    await playAsync("leaves", node, async (scene) => {
      const slave = first(scene.slaves);
      scene.run.world.network.clog(scene.host(scene.master), scene.host(slave), DELAY_MS * 1000);
      await scene.until(() => scene.place(slave) === "slave prepare 1", LAG_MAX_MS + 1000, "the slave is out");
      await scene.sleep(5000);
      assertLess(scene.writer.gapMs, 500);
      scene.run.world.network.heal();
      await scene.assertWhole();
      assertEquals([...scene.writer.errors], []);
      assertEquals(await scene.lostAt(slave), []);
    });
  });

  it("holds writers up for no longer than replication-timeout when it is silent", { timeout: 60_000 }, async () => {
    await playAsync("silent", { replicationLagMaxMs: LAG_MAX_MS }, async (scene) => {
      const slave = first(scene.slaves);
      scene.cutLink(scene.master, slave);
      await scene.until(() => scene.place(slave) === "slave prepare 1", TIMEOUT_MS + 1000, "the slave is out");
      await scene.sleep(1000);
      assertGreater(scene.writer.gapMs, TIMEOUT_MS - LAG_MAX_MS - 1000);
      assertLess(scene.writer.gapMs, TIMEOUT_MS + 1000);
      scene.mendLink(scene.master, slave);
      await scene.assertWhole();
      assertEquals([...scene.writer.errors], []);
      assertEquals(await scene.lostAt(slave), []);
    });
  });

  for (const replicationType of ["async", "sync"] as const) {
    it(`holds them up no longer when its connections break before it has answered a write, ${replicationType}`, {
      timeout: 60_000,
    }, async () => {
      const node = { replicationLagMaxMs: LAG_MAX_MS };
      await play(`breaking ${replicationType}`, 1, { replicationType, node }, async (scene) => {
        const slave = first(scene.slaves);
        const { network } = scene.run.world;
        const [one, other] = [scene.host(scene.master), scene.host(slave)];
        network.limit(one, other, 400);
        await scene.until(() => scene.place(slave) === "slave prepare 1", TIMEOUT_MS + 2000, "the slave is out");
        network.limit(one, other, undefined);
        await scene.assertWhole();
        assert(scene.writer.gapMs < TIMEOUT_MS + 2000, `no write for ${scene.writer.gapMs} ms`);
        assertEquals([...scene.writer.errors], []);
      });
    });
  }
});
