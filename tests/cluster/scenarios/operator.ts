/**
 * An operator of a cluster: asks the index server for changes and waits until they have happened.
 */

import { TextClient } from "../../support/text_client.ts";
import type { ClusterDriver, HostPort } from "./cluster_driver.ts";

/** A node as `stats nodes` shows it. */
export interface NodeEntry {
  readonly key: string;
  readonly role: string;
  readonly state: string;
  readonly partition: number;
  readonly balance: number;
}

const POLL_MS = 20;
const WAIT_MS_MAX = 20000;

/** `host:port`. */
export function keyOf({ host, port }: HostPort): string {
  return `${host}:${port}`;
}

export class Operator {
  readonly #cluster: Pick<ClusterDriver, "index" | "runtime">;

  constructor(cluster: Pick<ClusterDriver, "index" | "runtime">) {
    this.#cluster = cluster;
  }

  /** The nodes of the index server's map. */
  async nodes(): Promise<NodeEntry[]> {
    const stats = await this.stats(this.#cluster.index, " nodes");
    const keys = [...stats.keys()].filter((name) => name.endsWith(":role")).map((name) => name.slice(0, -":role".length));
    return keys.map((key) => ({
      key,
      role: stats.get(`${key}:role`) ?? "",
      state: stats.get(`${key}:state`) ?? "",
      partition: Number(stats.get(`${key}:partition`)),
      balance: Number(stats.get(`${key}:balance`)),
    }));
  }

  /** What a server answers to `stats`. */
  async stats(server: HostPort, words = ""): Promise<Map<string, string>> {
    const answer = await this.ask(server, `stats${words}\r\n`, /END\r\n$/);
    return new Map([...answer.matchAll(/^STAT (\S+) (.*)\r$/gm)].map(([, name = "", value = ""]) => [name, value]));
  }

  /** Asks one thing on a connection of its own. */
  async ask(server: HostPort, text: string, last: RegExp): Promise<string> {
    const client = await TextClient.connect(this.#cluster.runtime, server);
    try {
      return await client.ask(text, last);
    } finally {
      client.close();
    }
  }

  /** Waits until a node's entry is as wanted. @throws Error when that takes too long */
  async waitFor(node: HostPort, wanted: Partial<NodeEntry>): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const entry = (await this.nodes()).find(({ key }) => key === keyOf(node));
      const names = Object.keys(wanted) as (keyof NodeEntry)[];
      if (entry !== undefined && names.every((name) => entry[name] === wanted[name])) return;
      if (performance.now() > deadlineMs) {
        throw new Error(`"${keyOf(node)}" is ${JSON.stringify(entry)} and did not become ${JSON.stringify(wanted)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Makes a proxy the slave of a partition that reads are spread over. */
  async addSlave(node: HostPort, partition: number): Promise<void> {
    await this.change(node, "role", `slave 1 ${partition}`);
    await this.waitFor(node, { role: "slave", state: "active" });
    await this.change(node, "role", `slave 1 ${partition}`);
    await this.waitFor(node, { balance: 1 });
  }

  /** Makes a proxy the master of the next partition; `meanwhile` happens when it has its data, before it owns them. */
  async addPartition(node: HostPort, partition: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.change(node, "role", `master 1 ${partition}`);
    if (partition > 0) {
      await this.waitFor(node, { role: "master", state: "ready" });
      await meanwhile();
      await this.change(node, "state", "active");
    }
    await this.waitFor(node, { role: "master", state: "active", partition });
  }

  /** `node role` or `node state`. @throws Error when it is refused */
  async change(node: HostPort, what: "role" | "state", words: string): Promise<void> {
    const command = `node ${what} ${node.host} ${node.port} ${words}`;
    const answer = await this.ask(this.#cluster.index, `${command}\r\n`, /\r\n$/);
    if (answer !== "OK\r\n") throw new Error(`index server answered "${answer.trimEnd()}" to "${command}"`);
  }
}
