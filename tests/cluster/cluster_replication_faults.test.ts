/**
 * Two clusters of real processes, one of which sends its changes to the other: that is away for a while, masters are killed and
 * replaced, and everything is flushed in the middle. In the end both have the same, and everything was sent only once.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Client } from "../../mod.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import type { HostPort } from "./scenarios/cluster_driver.ts";
import { Operator } from "./scenarios/operator.ts";
import { ProcessDriver } from "./scenarios/process_driver.ts";

const KEYS = 200;
const WRITES = 600;
const FAR_FUTURE = 4_000_000_000;

/** Both clusters: `near` sends to `far`, which has two partitions. */
class Clusters {
  readonly runtime = clientRuntime();
  readonly operator: Operator;
  readonly farOperator: Operator;
  readonly near: ProcessDriver;
  readonly far: ProcessDriver;
  #written = 0;

  private constructor(near: ProcessDriver, far: ProcessDriver) {
    this.near = near;
    this.far = far;
    this.operator = new Operator(near);
    this.farOperator = new Operator(far);
  }

  static async during(nodes: number, work: (clusters: Clusters) => Promise<void>): Promise<void> {
    await withTemporaryDirectory(async (directory) => {
      const runtime = clientRuntime();
      const far = await ProcessDriver.start(runtime, `${directory}/far`, 2);
      let near: ProcessDriver | undefined;
      try {
        const target = await far.addNode();
        near = await ProcessDriver.start(runtime, `${directory}/near`, nodes, [
          ...["--replication-type", "sync", "--cluster-replication", "on"],
          ...["--cluster-replication-server-name", target.host, "--cluster-replication-server-port", String(target.port)],
        ]);
        const clusters = new Clusters(near, far);
        await clusters.farOperator.addPartition(target, 0);
        await clusters.farOperator.addPartition(await far.addNode(), 1);
        await work(clusters);
      } finally {
        await near?.clear();
        await far.clear();
      }
    });
  }

  /** Random writes of all kinds; each is answered, the values are all different. */
  async write(node: HostPort): Promise<void> {
    const client = await LineClient.connect(this.runtime, node);
    const answers: Promise<string>[] = [];
    for (let i = 0; i < WRITES; i++) {
      const key = `key${Math.floor(Math.random() * KEYS)}`;
      const value = String(++this.#written);
      const what = Math.random();
      if (what < 0.6) answers.push(client.ask(`set ${key} 7 0 ${value.length}\r\n${value}\r\n`));
      else if (what < 0.75) answers.push(client.ask(`incr ${key} 3\r\n`));
      else if (what < 0.9) answers.push(client.ask(`touch ${key} ${FAR_FUTURE + this.#written}\r\n`));
      else answers.push(client.ask(`delete ${key}\r\n`));
    }
    const refused = (await Promise.all(answers)).filter((line) => /ERROR/.test(line));
    client.close();
    assertEquals(refused, []);
  }

  /** Waits until the other cluster has everything, and compares. */
  async assertEqual(masters: readonly HostPort[]): Promise<void> {
    await waitUntil(async () => {
      const stats = await Promise.all(masters.map((node) => this.operator.stats(node, " replication")));
      return stats.every(
        (each) => each.get("cluster_replication_lag_entries") === "0" && each.get("cluster_replication_state") === "sending",
      );
    }, "everything has arrived");
    const [source] = masters;
    const [target] = this.far.nodes;
    assertEquals(await this.itemsOf(target), await this.itemsOf(source));
  }

  async itemsOf(node: HostPort | undefined): Promise<string[]> {
    using client = new Client({ runtime: this.runtime, ...node });
    const items: string[] = [];
    const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
    for await (const { key, value, flags, expire, version } of client.scan({ values: true })) {
      items.push(`${text(key)} ${flags} ${expire} ${version} ${text(value)}`);
    }
    return items;
  }

  /** How often everything was sent. */
  get copies(): number {
    return this.near.output.split("sending everything to").length - 1;
  }

  /** How often the other cluster has flushed. */
  get flushes(): number {
    return this.near.output.split("has flushed what this partition has flushed").length - 1;
  }
}

describe("replication to another cluster", () => {
  it("goes on where it was, whoever dies or is away, with a flush in the middle", { timeout: 240_000 }, () =>
    Clusters.during(2, async (clusters) => {
      const { near, far, operator } = clusters;
      const [first, second] = [await near.addNode(), await near.addNode()];
      await operator.addPartition(first, 0);
      await operator.addSlave(second, 0);
      await clusters.write(first);
      await clusters.assertEqual([first]);
      const { copies } = clusters;
      assertEquals(await operator.ask(first, "flush_all\r\n", /\r\n$/), "OK\r\n");
      await clusters.assertEqual([first]);
      assertEquals((await clusters.itemsOf(first)).length, 0);

      // The other cluster is away, and the master dies.
      for (const node of far.nodes) await far.killNode(node);
      await clusters.write(first);
      await near.killNode(first);
      await operator.waitFor(second, { role: "master", state: "active" });
      await clusters.write(second);
      assertEquals(await operator.ask(second, "flush_all\r\n", /\r\n$/), "OK\r\n");
      await clusters.write(second);
      for (const node of far.nodes) await far.startNode(node);
      for (const node of far.nodes) await clusters.farOperator.waitFor(node, { state: "active" });

      // The new master dies while it sends, and there is no other.
      await waitUntil(async () => (await clusters.itemsOf(far.nodes[0])).length > 0, "something arrives");
      await near.killNode(second);
      await near.startNode(second);
      await operator.waitFor(second, { role: "master", state: "active" });
      await clusters.write(second);
      await clusters.assertEqual([second]);

      // The first one returns, and becomes the master again.
      await near.startNode(first);
      await operator.waitFor(first, { state: "active" });
      await operator.addSlave(first, 0);
      await clusters.write(second);
      await near.killNode(second);
      await operator.waitFor(first, { role: "master", state: "active" });
      await clusters.write(first);
      await clusters.assertEqual([first]);
      assertEquals([clusters.copies, clusters.flushes], [copies, 2]);
    }),
  );

  it("flushes each of several partitions in its place", { timeout: 240_000 }, () =>
    Clusters.during(2, async (clusters) => {
      const { near, far, operator } = clusters;
      const masters = [await near.addNode(), await near.addNode()] as const;
      await operator.addPartition(masters[0], 0);
      await operator.addPartition(masters[1], 1);
      await clusters.write(masters[0]);
      await clusters.assertEqual(masters);
      for (const node of far.nodes) await far.killNode(node);
      await clusters.write(masters[0]);
      assertEquals(await operator.ask(masters[0], "flush_all\r\n", /\r\n$/), "OK\r\n");
      await clusters.write(masters[1]);
      for (const node of far.nodes) await far.startNode(node);
      await clusters.assertEqual(masters);
      assertEquals(clusters.flushes, 2);
    }),
  );
});
