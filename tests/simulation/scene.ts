/**
 * One partition in a simulated cluster, played by a story: a master with its slaves, somebody who writes without a pause, and
 * no operator who helps unless the story asks for it.
 */

import { assert, assertEquals } from "@std/assert";
import { type ClusterNode, NodeRole, NodeState, roleName, stateName } from "../../lib/cluster/node.ts";
import { compareReplicas, contentOf } from "../../lib/testing/checks.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import type { SimClusterOptions, SimDaemon } from "../../lib/testing/sim_cluster.ts";
import type { SimHost } from "../../lib/testing/sim_host.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { Run } from "./scenarios.ts";

const RUN_MS_MAX = 600_000;
const WRITE_PAUSE_MS = 10;

/** Writes keys, each once, one after the other without waiting, and remembers the answers. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly errors = new Map<string, number>();
  /** The longest time between two acknowledged writes. */
  gapMs = 0;
  readonly #world: SimWorld;
  readonly #client: SimClient;
  #ackedMs: number;
  #stopped = false;
  #count = 0;

  constructor(world: SimWorld, node: ClusterNode) {
    this.#world = world;
    this.#client = new SimClient(world.host("writer").start(), node.host, node.port, 60_000);
    this.#ackedMs = world.nowMs;
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
    this.#client.close();
  }

  async #work(): Promise<void> {
    while (!this.#stopped && !this.#client.closed) {
      const key = `key${this.#count++}`;
      void this.#client.request(`set ${key} 0 0 ${key.length}\r\n${key}\r\n`, "line").then((answer) => {
        if (answer.kind === "line" && answer.line === "STORED") this.#acknowledged(key);
        else if (answer.kind === "error" && !this.#stopped)
          this.errors.set(answer.error, (this.errors.get(answer.error) ?? 0) + 1);
      });
      await this.#world.sleep(WRITE_PAUSE_MS);
    }
  }

  #acknowledged(key: string): void {
    this.acknowledged.push(key);
    this.gapMs = Math.max(this.gapMs, this.#world.nowMs - this.#ackedMs);
    this.#ackedMs = this.#world.nowMs;
  }
}

/** One partition with its master and slaves, and somebody who writes. */
export class Scene {
  readonly run: Run;
  readonly master: ClusterNode;
  readonly slaves: readonly ClusterNode[];
  readonly writer: Writer;

  constructor(run: Run) {
    this.run = run;
    const nodes = run.cluster.map?.nodes ?? [];
    this.master = nodes.find(({ role }) => role === NodeRole.master) as ClusterNode;
    this.slaves = nodes.filter(({ role }) => role === NodeRole.slave);
    this.writer = new Writer(run.world, this.master);
  }

  daemon({ key }: ClusterNode): SimDaemon<{ stop(): Promise<void> }> {
    return this.run.cluster.nodeOf(key) as SimDaemon<{ stop(): Promise<void> }>;
  }

  host(node: ClusterNode): SimHost {
    return this.daemon(node).host;
  }

  sleep(ms: number): Promise<void> {
    return this.run.world.sleep(ms);
  }

  /** `role state balance` of a node. */
  place({ key }: ClusterNode): string {
    const node = this.run.cluster.map?.nodes.find((each) => each.key === key);
    return node === undefined ? "none" : `${roleName(node.role)} ${stateName(node.state)} ${node.balance}`;
  }

  async until(condition: () => boolean, limitMs: number, what: string): Promise<void> {
    const endMs = this.run.world.nowMs + limitMs;
    while (!condition()) {
      assert(this.run.world.nowMs < endMs, `not within ${limitMs} ms: ${what}`);
      await this.sleep(50);
    }
  }

  /** Every connection between two hosts breaks as soon as something is sent on it. */
  async resetLink(one: ClusterNode, other: ClusterNode, durationMs: number): Promise<void> {
    const { world } = this.run;
    const ends = [this.host(one), this.host(other)];
    const reset = (): void => {
      for (const connection of [...world.network.connections]) {
        const from = ends.indexOf(connection.process.host);
        if (from >= 0 && connection.peer.startsWith(`${ends[1 - from]?.name}:`)) connection.reset();
      }
    };
    world.network.tamper = (_bytes, from, to) => {
      if (ends.includes(from) && ends.includes(to)) world.clock.schedule(reset, 0);
    };
    await this.sleep(durationMs);
    world.network.tamper = undefined;
  }

  cutLink(one: ClusterNode, other: ClusterNode): void {
    this.run.world.network.cut(this.host(one), this.host(other));
    this.run.world.network.cut(this.host(other), this.host(one));
  }

  mendLink(one: ClusterNode, other: ClusterNode): void {
    this.run.world.network.mend(this.host(one), this.host(other));
    this.run.world.network.mend(this.host(other), this.host(one));
  }

  /** The acknowledged writes that a node does not have. */
  async lostAt({ key }: ClusterNode): Promise<string[]> {
    const content = await contentOf(this.run.cluster, key, 0, 1);
    return this.writer.acknowledged.filter((each) => !content.has(each));
  }

  /** Nobody helps, and all replicas are equal and in use again. */
  async assertWhole(): Promise<void> {
    const isWhole = (): boolean => this.run.cluster.map?.nodes.every(({ state }) => state === NodeState.active) === true;
    await this.until(isWhole, 60_000, "every node is active");
    this.writer.stop();
    await this.sleep(2000);
    assertEquals(await compareReplicas(this.run.cluster), []);
  }
}

/** Plays `story` in a cluster with a master and slaves, which no operator looks after. */
export async function play(
  name: string,
  slaves: number,
  options: Partial<SimClusterOptions>,
  story: (scene: Scene) => Promise<void>,
) {
  const world = new SimWorld(name);
  const work = async (): Promise<void> => {
    const run = new Run(world, [], { replicationType: "sync", syncReads: true, fsync: "os", ...options });
    run.addNodes(1 + slaves);
    await run.reshape({ partitions: 1, slaves }, 0);
    run.operator.stop();
    const scene = new Scene(run);
    await world.sleep(500);
    await story(scene);
    scene.writer.stop();
  };
  await world.drive(work(), RUN_MS_MAX);
}

export function first(nodes: readonly ClusterNode[]): ClusterNode {
  const [node] = nodes;
  assert(node !== undefined);
  return node;
}
