/**
 * Clients of a scene that keep account: each node is written to and read from by a client of its own, which connects again
 * whenever it has to. Every key is written once; as soon as it is acknowledged, it is read through every node.
 */

import type { ClusterNode } from "../../lib/cluster/node.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import type { SimProcess } from "../../lib/testing/sim_process.ts";
import type { Scene } from "./scene.ts";

const PAUSE_MS = 10;
const TIMEOUT_MS = 60_000;

export class Audit {
  readonly acknowledged: string[] = [];
  /** Keys that were not there although acknowledged, by the node that said so. */
  readonly missing: string[] = [];
  /** Reads that showed an acknowledged key. */
  shown = 0;
  /** The longest time between two acknowledged writes. */
  gapMs = 0;
  readonly #scene: Scene;
  readonly #nodes: readonly ClusterNode[];
  readonly #process: SimProcess;
  readonly #clients = new Map<string, SimClient>();
  #isOver = false;
  #count = 0;
  #ackedMs: number;

  /** @param nodes whom it writes to and reads from */
  constructor(scene: Scene, nodes: readonly ClusterNode[] = [scene.master, ...scene.slaves]) {
    this.#scene = scene;
    this.#nodes = nodes;
    this.#process = scene.run.world.host("audit").start();
    this.#ackedMs = scene.run.world.nowMs;
    for (const node of nodes) void this.#writeTo(node);
  }

  /** Ends the load. */
  stop(): void {
    this.#isOver = true;
  }

  /** The acknowledged keys that `node` cannot show. */
  async lostAt(node: ClusterNode): Promise<string[]> {
    const lost: string[] = [];
    for (const key of this.acknowledged) {
      const answer = await this.#client(node).request(`get ${key}\r\n`, "items");
      if (answer.kind !== "items" || answer.items.length !== 1) lost.push(key);
    }
    return lost;
  }

  async #writeTo(node: ClusterNode): Promise<void> {
    while (!this.#isOver) {
      void this.#write(node, `audit${this.#count++}`);
      await this.#scene.sleep(PAUSE_MS * this.#nodes.length);
    }
  }

  async #write(node: ClusterNode, key: string): Promise<void> {
    const answer = await this.#client(node).request(`set ${key} 0 0 ${key.length}\r\n${key}\r\n`, "line");
    if (answer.kind !== "line" || answer.line !== "STORED") return;
    const { nowMs } = this.#scene.run.world;
    this.gapMs = Math.max(this.gapMs, nowMs - this.#ackedMs);
    this.#ackedMs = nowMs;
    this.acknowledged.push(key);
    for (const reader of this.#nodes) void this.#read(reader, key);
  }

  async #read(node: ClusterNode, key: string): Promise<void> {
    const answer = await this.#client(node).request(`get ${key}\r\n`, "items");
    if (answer.kind !== "items") return;
    if (answer.items[0]?.value === key) this.shown++;
    else this.missing.push(`${key} through ${node.key}`);
  }

  #client(node: ClusterNode): SimClient {
    const known = this.#clients.get(node.key);
    if (known !== undefined && !known.closed) return known;
    const client = new SimClient(this.#process, node.host, node.port, TIMEOUT_MS);
    this.#clients.set(node.key, client);
    return client;
  }
}
