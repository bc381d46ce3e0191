/**
 * A partition is added to simulated clusters whose links are slow: the new master must not change a key while the last writes
 * of its former master are still on their way, or they would overwrite each other.
 *
 * Covers lib/node_server/life/takeover.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { type ClusterNode, NodeRole, NodeState, stateName } from "../../lib/cluster/node.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { SimClient } from "../../lib/testing/sim_client.ts";
import type { SimDaemon } from "../../lib/testing/sim_cluster.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { Run } from "./scenarios.ts";

const RUN_MS_MAX = 120_000;
const SLOW_LINK_US = 300_000;
const KEYS = Array.from({ length: 12 }, (_, i) => `key${i}`);
/** Between two appends: at the former master there is always one of each key on its way, at the new one at times none. */
const GIVER_PAUSE_MS = 40;
const TAKER_PAUSE_MS = 90;
const REST_MS = 3000;
/** Whether two writes overtake each other depends on when they come. */
const SEEDS = 12;

/** Appends to one key after the other through one node, and remembers what was acknowledged. */
class Appender {
  readonly acknowledged: { readonly key: string; readonly text: string }[] = [];
  readonly errors: string[] = [];
  readonly #world: SimWorld;
  readonly #name: string;
  readonly #pauseMs: number;
  readonly #client: SimClient;
  #stopped = false;

  constructor(world: SimWorld, name: string, { host, port }: ClusterNode, pauseMs: number) {
    this.#world = world;
    this.#name = name;
    this.#pauseMs = pauseMs;
    this.#client = new SimClient(world.host(name).start(), host, port, 60_000);
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      void this.#append(KEYS[i % KEYS.length] as string, `${this.#name}${i};`);
      await this.#world.sleep(this.#pauseMs);
    }
  }

  async #append(key: string, text: string): Promise<void> {
    const answer = await this.#client.request(`append ${key} 0 0 ${text.length}\r\n${text}\r\n`, "line");
    if (answer.kind === "line" && answer.line === "STORED") this.acknowledged.push({ key, text });
    else this.errors.push(JSON.stringify(answer));
  }
}

/** Reads one key after the other through one node, and remembers what it was shown. */
class Reader {
  readonly shown: { readonly key: string; readonly text: string }[] = [];
  readonly #world: SimWorld;
  readonly #client: SimClient;
  #stopped = false;

  constructor(world: SimWorld, { host, port }: ClusterNode) {
    this.#world = world;
    this.#client = new SimClient(world.host("reading").start(), host, port, 60_000);
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      void this.#read(KEYS[i % KEYS.length] as string);
      await this.#world.sleep(GIVER_PAUSE_MS);
    }
  }

  async #read(key: string): Promise<void> {
    const answer = await this.#client.request(`get ${key}\r\n`, "items");
    if (answer.kind !== "items") return;
    for (const text of partsOf(answer.items[0]?.value)) this.shown.push({ key, text });
  }
}

/** What was appended to a value. */
function partsOf(value: string | undefined): readonly string[] {
  return value?.match(/[^;]+;/g) ?? [];
}

/**
 * Adds a partition behind a slow link while its keys are appended to through both nodes; says what was logged as a warning.
 * @param meanwhile runs from the moment on when the new master is in this state
 */
async function addPartition(
  name: string,
  replicationType: "sync" | "async",
  state: NodeState = NodeState.ready,
  meanwhile: (taker: SimDaemon<RunningNode>, run: Run) => Promise<void> = async () => undefined,
) {
  const world = new SimWorld(name);
  const warnings: string[] = [];
  world.trace.onLine = (line) => {
    if (/ (warning|error) /.test(line) && !line.includes("slow request")) warnings.push(line);
  };
  const appenders: Appender[] = [];
  const work = async (): Promise<void> => {
    const run = new Run(world, [], { replicationType, fsync: "os" });
    run.addNodes(2);
    await run.reshape({ partitions: 1, slaves: 0 }, 200);
    const nodes = run.cluster.map?.nodes ?? [];
    const giver = nodes.find(({ role }) => role === NodeRole.master) as ClusterNode;
    const taker = nodes.find(({ role }) => role === NodeRole.proxy) as ClusterNode;
    const client = (name: string) => new SimClient(world.host(name).start(), giver.host, giver.port, 60_000);
    const setter = client("setter");
    for (const key of KEYS) await setter.request(`set ${key} 0 0 0\r\n\r\n`, "line");
    const daemon = ({ key }: ClusterNode) => run.cluster.nodeOf(key) as SimDaemon<RunningNode>;
    world.network.clog(daemon(giver).host, daemon(taker).host, SLOW_LINK_US);
    appenders.push(new Appender(world, "a", giver, GIVER_PAUSE_MS), new Appender(world, "b", taker, TAKER_PAUSE_MS));
    const watching = new Reader(world, giver);
    const growing = run.reshape({ partitions: 2, slaves: 0 }, REST_MS);
    while (run.cluster.map?.nodes.every((node) => node.state !== state)) await world.sleep(1);
    await meanwhile(daemon(taker), run);
    await growing;
    for (const appender of appenders) appender.stop();
    watching.stop();
    await world.sleep(REST_MS);
    const reader = client("reader");
    for (const key of KEYS) {
      const answer = await reader.request(`get ${key}\r\n`, "items");
      assert(answer.kind === "items", JSON.stringify(answer));
      const parts = partsOf(answer.items[0]?.value);
      assertEquals(new Set(parts).size, parts.length, `appended to ${key} twice`);
      const acknowledged = appenders.flatMap((each) => each.acknowledged.filter((append) => append.key === key));
      assertGreater(acknowledged.length, 0);
      assertEquals(
        acknowledged.filter(({ text }) => !parts.includes(text)),
        [],
        `lost appends to ${key}`,
      );
      const shown = watching.shown.flatMap((each) => (each.key === key ? [each.text] : []));
      assertGreater(shown.length, 0);
      assertEquals(
        shown.filter((text) => !parts.includes(text)),
        [],
        `appends to ${key} that were shown, and are lost`,
      );
    }
    run.operator.stop();
  };
  await world.drive(work(), RUN_MS_MAX);
  return { appenders, warnings };
}

describe("a partition that is added behind a slow link", () => {
  for (const replicationType of ["sync", "async"] as const) {
    it(`loses no write of the former master, ${replicationType}`, { timeout: 60_000 }, async () => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const { appenders, warnings } = await addPartition(`${replicationType} ${seed}`, replicationType);
        assertEquals(warnings, []);
        for (const { errors } of appenders) assertEquals(errors, []);
      }
    });
  }

  for (const state of [NodeState.prepare, NodeState.ready]) {
    it(`loses no write that the new master cannot store in state ${stateName(state)}`, { timeout: 60_000 }, async () => {
      const { appenders, warnings } = await addPartition(`sync in ${state}`, "sync", state, async ({ host }, { world }) => {
        host.disk.freeBytes = 0;
        await world.sleep((2 * SLOW_LINK_US) / 1000);
        host.disk.freeBytes = Number.POSITIVE_INFINITY;
      });
      assert(warnings.some((line) => line.includes("no space left")));
      // What was on its way when the new master became active is in doubt.
      for (const { errors } of appenders) for (const error of errors) assertStringIncludes(error, "in doubt: written here");
    });
  }

  it("loses no write when the new master is gone while it becomes active, and comes back", { timeout: 60_000 }, async () => {
    const errors: string[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const { appenders } = await addPartition(`gone ${seed}`, "sync", NodeState.ready, async (taker, { cluster, world }) => {
        taker.kill();
        while (cluster.map?.nodes.some(({ state }) => state === NodeState.down) !== true) await world.sleep(10);
        taker.start();
      });
      errors.push(...(appenders[0]?.errors ?? []));
    }
    assert(errors.some((error) => error.includes("in doubt: written here")));
  });
});
