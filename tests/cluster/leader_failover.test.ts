/**
 * Three index servers on a real etcd, and nodes that serve clients, all in processes of their own: the leading index server is
 * killed, stands still, and a master dies while nobody has led for long. No acknowledged write is lost, and no healthy node is
 * taken down.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { formatHostPort, type HostPort } from "../../lib/base/host_port.ts";
import { NodeRole, NodeState } from "../../mod.ts";
import { HOST, waitUntil } from "../support/daemon.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { IndexCluster, LEASE_S, WRITES_MIN, Writer } from "../support/index_cluster.ts";

/** In this time a new leader that counted old failures would have taken nodes down. */
const QUIET_MS = 4000;

describe("three index servers on etcd", { skip: withoutEtcd, timeout: 300_000 }, () => {
  it("go on without the one that led, lose no acknowledged write, and take no healthy node down", async () => {
    const etcd = await Etcd.start();
    const scene = await IndexCluster.start("etcd", etcd);
    try {
      const [master, slave] = scene.nodes as [HostPort, HostPort];
      const writer = new Writer(await scene.client());
      const writing = writer.run();
      await writer.progress();
      const before = await scene.version();

      // The leader is killed.
      const first = (await scene.leaderPort()) as number;
      scene.signal(first, "SIGKILL");
      const tookMs = await scene.untilLed(first);
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      await writer.progress();
      assertEquals([await scene.version(), writer.failures], [before, []], "nobody noticed");

      // The next leader stands still for longer than its lease, and goes on.
      const second = (await scene.leaderPort()) as number;
      scene.signal(second, "SIGSTOP");
      await scene.untilLed(second);
      const third = (await scene.leaderPort(second)) as number;
      scene.signal(second, "SIGCONT");
      await waitUntil(async () => (await scene.leaderPort()) === third, "the former leader follows");
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      assertEquals([await scene.version(), writer.failures], [before, []], "nobody noticed");

      // The last leader and the master die at the same time: the slave takes over.
      await scene.startIndex(first);
      await writer.progress();
      scene.signal(third, "SIGKILL");
      scene.signal(master.port, "SIGKILL");
      await scene.untilLed(third);
      await waitUntil(async () => {
        const { role, state } = (await scene.nodeAt(slave.port)) ?? {};
        return role === NodeRole.master && state === NodeState.active;
      }, "a slave takes over");
      await writer.progress();
      writer.stop();
      await writing;

      const client = await scene.client();
      assertEquals(await writer.lost(client), []);
      client.close();
      assertGreater(writer.acknowledged.length, 5 * WRITES_MIN);
      // A lease of two seconds, and a campaign every 0.4 s; the rest is a busy machine.
      assert(tookMs < 5 * LEASE_S * 1000, `another one led after ${Math.round(tookMs)} ms`);

      const reports = await scene.admin.indexReports();
      const leader = await scene.leaderPort();
      assertEquals(
        reports.filter(({ silence }) => silence === undefined).map((report) => report.leader),
        [formatHostPort(HOST, leader as number), formatHostPort(HOST, leader as number)],
      );
      assertGreater(reports.find(({ leads }) => leads)?.term ?? 0, 3);
      assertStringIncludes(String(reports.find(({ silence }) => silence !== undefined)?.silence), "cannot connect");
    } finally {
      await scene.stop();
      await etcd.stop();
    }
  });
});
