/**
 * Clients that accept nothing but the truth: each writes keys of its own through nodes picked at random, and what was
 * acknowledged or shown once must be there in every answer that follows. Requests may fail, and are in doubt then.
 */

import { SimClient } from "../../../lib/testing/sim_client.ts";
import type { SimCluster } from "../../../lib/testing/sim_cluster.ts";
import type { SimProcess } from "../../../lib/testing/sim_process.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { DurableKey, type KeyChange, shortened } from "../durable_key.ts";

const CLIENTS = 3;
const KEYS_PER_CLIENT = 10;
const AT_ONCE_MAX = 4;
const PAUSE_MS_MAX = 30;
const TIMEOUT_MS = 8000;

export class StrictLoad {
  readonly keys: DurableKey[] = [];
  readonly #cluster: SimCluster;
  readonly #random: SimRandom;
  readonly #running: Promise<void>[] = [];
  #stopped = false;
  #lastWrite = 0;

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
    this.#random = cluster.world.random.split("strict load");
  }

  start(): void {
    for (let number = 0; number < CLIENTS; number++) {
      const process = this.#cluster.world.host(`client${number}`).start();
      const keys = Array.from({ length: KEYS_PER_CLIENT }, (_, key) => new DurableKey(`c${number}-${key}`));
      this.keys.push(...keys);
      this.#running.push(this.#work(process, keys));
    }
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Reads every key through every node. */
  async readEverything(): Promise<void> {
    const process = this.#cluster.world.host("reader").start();
    for (const node of this.#cluster.nodes) {
      const client = new SimClient(process, node.host.name, this.#cluster.addressOf(node).port, TIMEOUT_MS);
      for (const key of this.keys) {
        if (!(await this.#read(client, key))) this.#fail(`"${key.name}" cannot be read through "${client.target}"`);
      }
      client.close();
    }
  }

  async #work(process: SimProcess, keys: readonly DurableKey[]): Promise<void> {
    const clients = new Map<string, SimClient>();
    while (!this.#stopped) {
      const node = this.#random.pick(this.#cluster.nodes);
      const { host, port } = this.#cluster.addressOf(node);
      let client = clients.get(host);
      if (client === undefined || client.closed) {
        client = new SimClient(process, host, port, TIMEOUT_MS);
        clients.set(host, client);
      }
      const chosen = this.#random.shuffle(keys).slice(0, this.#random.between(1, AT_ONCE_MAX));
      await Promise.all(chosen.map((key) => this.#use(client, key)));
      await this.#cluster.world.sleep(this.#random.between(0, PAUSE_MS_MAX));
    }
    for (const client of clients.values()) client.close();
  }

  async #use(client: SimClient, key: DurableKey): Promise<void> {
    // What is not certain is looked at before it is changed in a way that depends on it.
    if (this.#random.chance(0.4)) return void (await this.#read(client, key));
    const { command, answer, change } = this.#choose(key);
    key.sent(change);
    const reply = await client.request(command, "line");
    if (reply.kind !== "line") return key.failed();
    if (reply.line !== answer) {
      this.#fail(`"${shortened(command)}" was answered "${reply.line}" by "${client.target}", but ${key}`);
    }
    key.acknowledged();
  }

  /** False if there was no answer. */
  async #read(client: SimClient, key: DurableKey): Promise<boolean> {
    const reply = await client.request(`gets ${key.name}\r\n`, "items");
    if (reply.kind !== "items") return false;
    const [item] = reply.items;
    const before = String(key);
    if (!key.shown(item?.value)) {
      this.#fail(`"${client.target}" shows ${shortened(item?.value)}, but ${before}`);
    }
    return true;
  }

  #choose(key: DurableKey): { command: string; answer: string; change: KeyChange } {
    const random = this.#random;
    const { name, value } = key;
    const text = String(++this.#lastWrite);
    if (key.isCertain && value !== undefined) {
      const numeric = /^\d+$/.test(value);
      if (random.chance(0.2)) {
        return { command: `delete ${name}\r\n`, answer: "DELETED", change: ({ version }) => ({ version, value: undefined }) };
      }
      if (numeric && random.chance(0.6)) {
        const sum = String(Number(value) + 3);
        return { command: `incr ${name} 3\r\n`, answer: sum, change: ({ version }) => ({ version: version + 1, value: sum }) };
      }
      if (random.chance(0.3)) {
        const change: KeyChange = (state) => ({ version: state.version + 1, value: `${state.value},${text}` });
        return { command: `append ${name} 0 0 ${text.length + 1}\r\n,${text}\r\n`, answer: "STORED", change };
      }
    }
    const content = random.chance(0.3) ? text : `${text}=${"v".repeat(random.between(0, 400))}`;
    const change: KeyChange = ({ version }) => ({ version: version + 1, value: content });
    return { command: `set ${name} 0 0 ${content.length}\r\n${content}\r\n`, answer: "STORED", change };
  }

  #fail(what: string): void {
    this.#cluster.world.fail(what);
  }
}
