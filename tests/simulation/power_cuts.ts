/**
 * The power of a node's machine fails at every moment at which something changes on its disk: before each append, sync, rename,
 * removal and batch of a short life with writes, checkpoints, new log segments, a graceful stop and another start. The node is
 * alone and has `fsync = always`: after each cut it must start with what the disk kept and hold every acknowledged write,
 * nothing that was never written, and what it has shown once.
 */

import { Operator } from "../../lib/testing/operator.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import { SimCluster } from "../../lib/testing/sim_cluster.ts";
import type { SimHost } from "../../lib/testing/sim_host.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { DurableKey, type KeyChange, NEVER_WRITTEN, shortened } from "./durable_key.ts";

const WRITES = 18;
const WRITES_LATER = 8;
const PIPELINE_MAX = 4;
const KEYS = 12;
const SEGMENT_BYTES = 4096;
/** Does not fit into a segment. */
const LARGE_BYTES = 5000;
const CHECKPOINT_MS = 50;
const TIMEOUT_MS = 20_000;
const RUN_MS_MAX = 600_000;
/** How long a node may take until it serves. */
const START_MS_MAX = 60_000;
/** How many of the cuts are followed by another one while the node starts again, and after how many changes at most. */
const SECOND_CUT = 0.4;
const SECOND_CUT_CHANGES_MAX = 40;

/** What a life of a node has shown. */
export interface LifeFigures {
  /** Changes of the disk before the power failed; without a cut, in the whole life. */
  readonly changes: number;
  /** What was about to change when the power failed. */
  readonly cutAt: string | undefined;
  readonly acknowledged: number;
  readonly hash: string;
}

/** Where the power fails. */
export interface PowerCut {
  /** After this many changes of the disk; nowhere, if there are fewer. */
  readonly changes: number;
  /** Equal numbers leave the same on the disk. */
  readonly outcome: number;
}

/**
 * Lets a node live, with or without a cut; the same until then for the same seed.
 * @throws Error that says what was lost, or that the node does not serve again
 */
export async function liveWithCut(seed: string, cut: PowerCut | undefined): Promise<LifeFigures> {
  const world = new SimWorld(`power cuts ${seed}`);
  const life = new Life(world, cut);
  await world.drive(life.live(), RUN_MS_MAX);
  const { changes, cutAt, acknowledged } = life;
  return { changes, cutAt, acknowledged, hash: world.trace.hash };
}

/** The power fails at every change of a life's disk. `outcomes`: how many remains of the disk are tried for each. */
export async function everyCut(seed: string, outcomes: number): Promise<{ cuts: number; failures: string[] }> {
  const { changes } = await liveWithCut(seed, undefined);
  const failures: string[] = [];
  for (let at = 0; at < changes; at++) {
    for (let outcome = 0; outcome < outcomes; outcome++) {
      try {
        await liveWithCut(seed, { changes: at, outcome });
      } catch (error) {
        const again = `npm run sim:power -- --seed ${seed} --at ${at} --outcomes ${outcome + 1}`;
        failures.push(`seed ${seed}, ${(error as Error).message}; to run it again: ${again}`);
      }
    }
  }
  return { cuts: changes * outcomes, failures };
}

/** A cut that may come: what runs until then ends with it. */
interface Danger {
  struck: boolean;
  readonly strike: Promise<void>;
}

const SAFETY: Danger = { struck: false, strike: new Promise(() => undefined) };

class Life {
  changes = 0;
  cutAt: string | undefined;
  acknowledged = 0;
  readonly #world: SimWorld;
  readonly #random: SimRandom;
  readonly #cut: PowerCut | undefined;
  readonly #cluster: SimCluster;
  readonly #operator: Operator;
  readonly #host: SimHost;
  readonly #keys = Array.from({ length: KEYS }, (_, number) => new DurableKey(`key-${"x".repeat(number)}`));
  #lastWrite = 0;

  constructor(world: SimWorld, cut: PowerCut | undefined) {
    this.#world = world;
    this.#cut = cut;
    this.#random = world.random.split("life");
    this.#cluster = new SimCluster(world, {
      replicationType: "async",
      fsync: "always",
      syncReads: this.#random.chance(0.5),
      node: { logSegmentBytes: SEGMENT_BYTES, checkpointIntervalMs: CHECKPOINT_MS },
    });
    this.#cluster.index.start();
    this.#operator = new Operator(this.#cluster);
    this.#operator.shape = { partitions: 1, slaves: 0 };
    this.#host = world.host("node1.sim");
  }

  async live(): Promise<void> {
    const cut = this.#cut;
    const danger = cut === undefined ? this.#watch() : this.#threaten(cut.changes, cut.outcome);
    const node = this.#cluster.addNode();
    const stages = [
      () => this.#serve(danger),
      () => this.#write(WRITES, danger),
      () => node.stop(),
      async () => node.start(),
      () => this.#serve(danger),
      () => this.#write(WRITES_LATER, danger),
    ];
    for (const stage of stages) if (!danger.struck) await Promise.race([danger.strike, stage()]);
    this.#host.disk.onChange = () => undefined;
    if (danger.struck) await this.#recover();
    else await this.#check("after a quiet life");
    this.#operator.stop();
  }

  async #recover(): Promise<void> {
    const node = this.#cluster.nodes[0] as SimCluster["nodes"][number];
    let when = `after the power failed before "${this.cutAt}"`;
    if (this.#random.chance(SECOND_CUT)) {
      const danger = this.#threaten(this.#random.between(0, SECOND_CUT_CHANGES_MAX), 0);
      node.start();
      await Promise.race([danger.strike, this.#serve(danger)]);
      when += danger.struck ? ", and while it started again" : "";
      this.#host.disk.onChange = () => undefined;
    }
    if (this.#host.process === undefined) node.start();
    await this.#serve(SAFETY);
    await this.#check(when);
    await this.#write(WRITES_LATER, SAFETY);
    node.cutPower();
    node.start();
    await this.#serve(SAFETY);
    await this.#check(`${when}, and after some more writes`);
  }

  /** Counts the changes of the disk. */
  #watch(): Danger {
    this.#host.disk.onChange = () => {
      this.changes++;
    };
    return SAFETY;
  }

  /** Cuts the power after some changes of the disk. */
  #threaten(changes: number, outcome: number): Danger {
    const { disk } = this.#host;
    const danger: { struck: boolean; strike: Promise<void> } = { struck: false, strike: SAFETY.strike };
    danger.strike = new Promise((resolve) => {
      let left = changes;
      disk.onChange = (what) => {
        if (left-- > 0) return;
        disk.onChange = () => undefined;
        this.cutAt ??= what;
        this.#world.note(`the power fails before "${what}"`);
        danger.struck = true;
        for (let drawn = 0; drawn < outcome; drawn++) disk.random.uint32();
        this.#cluster.nodes[0]?.cutPower();
        resolve();
      };
    });
    this.changes = changes;
    return danger;
  }

  /** Resolves when the node is master and serves. */
  async #serve(danger: Danger): Promise<void> {
    const untilMs = this.#world.nowMs + START_MS_MAX;
    while (!danger.struck && !this.#operator.settled) {
      if (this.#world.nowMs > untilMs)
        throw new Error(`the node does not serve after ${START_MS_MAX} ms: ${this.#lastComplaint}`);
      await this.#world.sleep(20);
    }
  }

  get #lastComplaint(): string {
    const words = /cannot start|warning|error/;
    return this.#world.trace.tail.findLast((line) => line.includes(this.#host.name) && words.test(line)) ?? "it says nothing";
  }

  #connect(): SimClient {
    return new SimClient(
      this.#world.host("client").start(),
      this.#host.name,
      this.#cluster.addressOf(this.#node).port,
      TIMEOUT_MS,
    );
  }

  get #node() {
    return this.#cluster.nodes[0] as SimCluster["nodes"][number];
  }

  async #write(count: number, danger: Danger): Promise<void> {
    const client = this.#connect();
    for (let written = 0; written < count && !danger.struck; ) {
      const writes = Array.from({ length: this.#random.between(1, PIPELINE_MAX) }, () => this.#send(client, danger));
      written += writes.length;
      await Promise.all(writes);
      await this.#world.sleep(this.#random.between(0, 10));
    }
    client.close();
  }

  /** One write; its answer is what the keys say, or there is none because the power is gone. */
  async #send(client: SimClient, danger: Danger): Promise<void> {
    const { keys, command, answer, change } = this.#choose();
    for (const key of keys) key.sent(change);
    const reply = await client.request(command, "line");
    if (danger.struck) return;
    if (reply.kind !== "line" || reply.line !== answer) {
      this.#world.fail(`"${command.slice(0, 60).trim()}" was answered ${JSON.stringify(reply)}, not ${answer}`);
    }
    for (const key of keys) key.acknowledged();
    this.acknowledged++;
  }

  #choose(): { keys: readonly DurableKey[]; command: string; answer: string; change: KeyChange } {
    const random = this.#random;
    if (random.chance(0.03)) {
      return { keys: this.#keys, command: "flush_all\r\n", answer: "OK", change: () => NEVER_WRITTEN };
    }
    const key = random.pick(this.#keys);
    const { name, value } = key;
    const text = `${++this.#lastWrite}`;
    const keys = [key];
    if (value !== undefined && random.chance(0.25)) {
      const change: KeyChange = ({ version }) => ({ version, value: undefined });
      return { keys, command: `delete ${name}\r\n`, answer: "DELETED", change };
    }
    if (value !== undefined && /^\d+$/.test(value) && random.chance(0.7)) {
      const sum = String(Number(value) + 7);
      return {
        keys,
        command: `incr ${name} 7\r\n`,
        answer: sum,
        change: ({ version }) => ({ version: version + 1, value: sum }),
      };
    }
    if (value !== undefined && random.chance(0.3)) {
      const change: KeyChange = (state) => ({ version: state.version + 1, value: `${state.value},${text}` });
      return { keys, command: `append ${name} 0 0 ${text.length + 1}\r\n,${text}\r\n`, answer: "STORED", change };
    }
    const content = random.chance(0.3)
      ? text
      : `${text}=${"v".repeat(random.chance(0.1) ? LARGE_BYTES : random.between(1, 300))}`;
    return {
      keys,
      command: `set ${name} 0 0 ${content.length}\r\n${content}\r\n`,
      answer: "STORED",
      change: ({ version }) => ({ version: version + 1, value: content }),
    };
  }

  /** Every key must hold what it may hold, and there must be no other. */
  async #check(when: string): Promise<void> {
    const client = this.#connect();
    for (const key of this.#keys) {
      const reply = await client.request(`gets ${key.name}\r\n`, "items");
      if (reply.kind !== "items") throw new Error(`${when}, "${key.name}" cannot be read: ${JSON.stringify(reply)}`);
      const [item] = reply.items;
      const before = String(key);
      if (key.shown(item?.value, item && Number(item.version))) continue;
      throw new Error(`${when}, ${before}, and holds ${shortened(item?.value)} with version ${item?.version ?? "unknown"}`);
    }
    const stored = this.#node.server?.storage.stats().items;
    const present = this.#keys.filter(({ value }) => value !== undefined).length;
    if (stored !== present) throw new Error(`${when}, there are ${stored} items, not ${present}`);
    client.close();
  }
}
