/**
 * Nodes that were away, in simulated clusters: they continue in their master's log where they left off, without a copy, and
 * have exactly what the master has afterwards; or they copy, where nothing else would be right.
 *
 * Covers lib/replication/rejoin_task.ts, lib/node_server/commands/rejoin_commands.ts and lib/protocol/rejoin.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type ClusterNode, NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { compareReplicas } from "../../lib/testing/checks.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { first, play, type Scene } from "./scene.ts";

const LIMIT = { timeout: 60_000 };

/** Counts what the nodes say of their returns. */
class Returns {
  copies = 0;
  continued = 0;
  rewritten = 0;
  removals = 0;

  constructor(scene: Scene) {
    scene.run.world.trace.onLine = (line) => {
      if (line.includes("notice copying partition")) this.copies++;
      if (line.includes(", without a copy")) this.continued++;
      if (line.includes("taken out of the in-sync set")) this.removals++;
      this.rewritten += Number(/it writes (\d+) key/.exec(line)?.[1] ?? 0);
    };
  }

  get figures() {
    return { copies: this.copies, continued: this.continued };
  }
}

async function tell(scene: Scene, port: number, host: string, command: string): Promise<string> {
  const client = new SimClient(scene.run.world.host("operator2").start(), host, port, 10_000);
  const answer = await client.request(command, "line");
  client.close();
  return answer.kind === "line" ? answer.line : JSON.stringify(answer);
}

/** The operator makes a proxy a slave of partition 0. */
async function makeSlave(scene: Scene, node: ClusterNode): Promise<void> {
  await scene.until(() => scene.place(node).startsWith("proxy active"), 20_000, "it has joined");
  assertEquals(await tell(scene, 12120, "index.sim", `node role ${node.host} ${node.port} slave 1 0\r\n`), "OK");
}

async function assertBack(scene: Scene, node: ClusterNode): Promise<void> {
  await scene.until(() => scene.place(node).startsWith("slave active"), 30_000, `${node.key} is back`);
  scene.writer.stop();
  await scene.sleep(2000);
  assertEquals(await compareReplicas(scene.run.cluster), []);
  assertEquals(await scene.lostAt(node), []);
}

describe("a slave that returns without a copy", () => {
  for (const syncReads of [true, false]) {
    it(`was cut off from its master for 10 s, ${syncReads ? "with" : "without"} synchronous reads`, LIMIT, async () => {
      await play(`away ${syncReads}`, 2, { syncReads }, async (scene) => {
        const slave = first(scene.slaves);
        const returns = new Returns(scene);
        scene.cutLink(scene.master, slave);
        await scene.sleep(10_000);
        scene.mendLink(scene.master, slave);
        await assertBack(scene, slave);
        assertEquals(returns.figures, { copies: 0, continued: 1 });
        assertEquals(returns.rewritten, 0);
        assert(scene.writer.acknowledged.length > 500);
      });
    });
  }

  for (const how of ["stop", "kill"] as const) {
    it(`was restarted: ${how}`, LIMIT, async () => {
      await play(`restarted ${how}`, 1, {}, async (scene) => {
        const slave = first(scene.slaves);
        const returns = new Returns(scene);
        if (how === "stop") await scene.daemon(slave).stop();
        else scene.daemon(slave).kill();
        await scene.sleep(8000);
        scene.daemon(slave).start();
        await makeSlave(scene, slave);
        await assertBack(scene, slave);
        assertEquals(returns.figures, { copies: 0, continued: 1 });
      });
    });
  }

  it("was the master, and its slave has taken over", LIMIT, async () => {
    await play("former master", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      const returns = new Returns(scene);
      scene.daemon(scene.master).kill();
      await scene.until(() => scene.place(slave).startsWith("master active"), 20_000, "the slave is promoted");
      await scene.sleep(2000);
      scene.daemon(scene.master).start();
      await makeSlave(scene, scene.master);
      await assertBack(scene, scene.master);
      assertEquals(returns.figures, { copies: 0, continued: 1 });
    });
  });

  it("was the master and has writes that nobody else has: they go", LIMIT, async () => {
    await play("diverged", 1, { replicationType: "async" }, async (scene) => {
      const slave = first(scene.slaves);
      const returns = new Returns(scene);
      scene.cutLink(scene.master, slave);
      await scene.sleep(300);
      const lonely = scene.writer.acknowledged.length;
      scene.daemon(scene.master).kill();
      await scene.until(() => scene.place(slave).startsWith("master active"), 30_000, "the slave is promoted");
      scene.writer.stop();
      scene.mendLink(scene.master, slave);
      const lost = await scene.lostAt(slave);
      assert(lonely > 0 && lost.length > 0, `${lost.length} of ${lonely} writes were only at the master`);
      // One of them is written again by the new master's clients.
      assertEquals(await tell(scene, slave.port, slave.host, `set ${lost[0]} 0 0 3\r\nnew\r\n`), "STORED");
      scene.daemon(scene.master).start();
      await makeSlave(scene, scene.master);
      await scene.until(() => scene.place(scene.master).startsWith("slave active"), 30_000, "the former master is back");
      await scene.sleep(2000);
      assertEquals(await compareReplicas(scene.run.cluster), []);
      assertEquals(returns.figures, { copies: 0, continued: 1 });
      assert(returns.rewritten >= lost.length, `${returns.rewritten} of ${lost.length} keys were written once more`);
      assertEquals((await scene.lostAt(scene.master)).length, lost.length - 1);
    });
  });

  it("followed a third node that is gone", LIMIT, async () => {
    await play("third", 2, {}, async (scene) => {
      const [one, two] = scene.slaves as [ClusterNode, ClusterNode];
      const returns = new Returns(scene);
      scene.daemon(two).kill();
      await scene.until(() => scene.place(two).endsWith("down 0"), 20_000, "a slave is down");
      scene.daemon(scene.master).kill();
      await scene.until(() => scene.place(one).startsWith("master active"), 20_000, "the other one is promoted");
      scene.daemon(two).start();
      await makeSlave(scene, two);
      await assertBack(scene, two);
      assertEquals(returns.figures, { copies: 0, continued: 1 });
    });
  });

  for (const how of ["kill", "restart"] as const) {
    it(`has another master, or the same one again, after a ${how} under load: it stays in the set`, LIMIT, async () => {
      await play(`new master ${how}`, 2, {}, async (scene) => {
        const { run, master, writer } = scene;
        const returns = new Returns(scene);
        const isServed = (): boolean => {
          const { nodes = [] } = run.cluster.map ?? {};
          const now = nodes.find(({ role, state }) => role === NodeRole.master && state === NodeState.active);
          return now !== undefined && (how === "restart" || now.key !== master.key);
        };
        scene.daemon(master).kill();
        if (how === "restart") scene.daemon(master).start();
        await scene.until(isServed, 20_000, "there is a master");
        await scene.sleep(5000);
        writer.stop();
        assertEquals([returns.removals, returns.figures], [0, { copies: 0, continued: 0 }]);
        assertEquals(await compareReplicas(run.cluster), []);
      });
    });
  }

  it("missed a flush", LIMIT, async () => {
    await play("flush", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      const returns = new Returns(scene);
      scene.daemon(slave).kill();
      await scene.until(() => scene.place(slave).endsWith("down 0"), 20_000, "the slave is down");
      scene.writer.stop();
      await scene.sleep(500);
      assertEquals(await tell(scene, scene.master.port, scene.master.host, "set before 0 0 1\r\nx\r\n"), "STORED");
      assertEquals(await tell(scene, scene.master.port, scene.master.host, "flush_all\r\n"), "OK");
      assertEquals(await tell(scene, scene.master.port, scene.master.host, "set after 0 0 1\r\nx\r\n"), "STORED");
      scene.daemon(slave).start();
      await makeSlave(scene, slave);
      await scene.until(() => scene.place(slave).startsWith("slave active"), 30_000, "the slave is back");
      await scene.sleep(1000);
      assertEquals(await compareReplicas(scene.run.cluster), []);
      const items = scene.run.cluster.nodes.map(({ server }) => server?.items);
      assertEquals(items, [1, 1]);
      assertEquals(returns.figures, { copies: 0, continued: 1 });
    });
  });
});

describe("a slave that returns with a copy", () => {
  it("finds that the master's log does not reach back far enough", LIMIT, async () => {
    await play("short log", 1, { node: { logRetentionBytes: 0 } }, async (scene) => {
      const slave = first(scene.slaves);
      const returns = new Returns(scene);
      scene.daemon(slave).kill();
      await scene.sleep(12_000);
      scene.daemon(slave).start();
      await makeSlave(scene, slave);
      await assertBack(scene, slave);
      assertEquals(returns.figures, { copies: 1, continued: 0 });
    });
  });

  it("has an empty disk", LIMIT, async () => {
    await play("empty", 1, {}, async (scene) => {
      const slave = first(scene.slaves);
      const returns = new Returns(scene);
      scene.daemon(slave).kill();
      scene.host(slave).disk.lose();
      scene.daemon(slave).start();
      await makeSlave(scene, slave);
      await assertBack(scene, slave);
      assertEquals(returns.figures, { copies: 1, continued: 0 });
    });
  });

  it("has no common state because it was never one", LIMIT, async () => {
    await play("new", 1, {}, async (scene) => {
      const returns = new Returns(scene);
      const node = scene.run.cluster.addNode();
      const key = scene.run.cluster.addressOf(node);
      await scene.until(() => scene.run.cluster.map?.nodes.length === 3, 10_000, "it has joined");
      const added = scene.run.cluster.map?.nodes.find(({ host }) => host === key.host) as ClusterNode;
      await makeSlave(scene, added);
      await assertBack(scene, added);
      assertEquals(returns.figures, { copies: 1, continued: 0 });
      const roles = scene.run.cluster.map?.nodes.filter(
        ({ role, state }) => role === NodeRole.slave && state === NodeState.active,
      );
      assertEquals(roles?.length, 2);
    });
  });
});
