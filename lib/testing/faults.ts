/**
 * Faults in a simulated world, one after another and several at a time, each with its end. Every fault is recorded when it is
 * chosen, so that a failed run can list its faults. What each kind does is `fault_kinds.ts`.
 */

import { type Daemon, FAULTS } from "./fault_kinds.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimRandom } from "./sim_random.ts";

export type FaultKind = keyof typeof FAULTS;

/** The kinds by their names. */
export const FaultKind = Object.fromEntries(Object.keys(FAULTS).map((kind) => [kind, kind])) as {
  readonly [Kind in FaultKind]: Kind;
};

/** Faults that need an operator's decision: what the cluster knew of itself, or all of a node's data, is gone. */
export const DISASTERS: readonly FaultKind[] = [FaultKind.lostData, FaultKind.oldMap, FaultKind.secondIndex];
/** Faults of several index servers, and of what they share. */
export const LEADER_FAULTS: readonly FaultKind[] = [
  FaultKind.leaderKill,
  FaultKind.leaderPause,
  FaultKind.leaderCut,
  FaultKind.mapService,
];
/** All others: once they are over, a cluster is whole again without anybody's help. */
export const PASSING_FAULTS: readonly FaultKind[] = Object.values(FaultKind).filter(
  (kind) => !DISASTERS.includes(kind) && !LEADER_FAULTS.includes(kind),
);

const DURATION_MS_MAX = 8000;
/** One fault in ten takes longer than anything waits for an answer. */
const LONG_MS_MAX = 30_000;

export class Faults {
  /** What happened, when. */
  readonly list: string[] = [];
  readonly #cluster: SimCluster;
  readonly #random: SimRandom;
  readonly #kinds: readonly FaultKind[];
  /** Ends of faults that are still to come. */
  readonly #underway = new Set<Promise<void>>();

  constructor(cluster: SimCluster, random: SimRandom, kinds: readonly FaultKind[]) {
    this.#cluster = cluster;
    this.#random = random;
    this.#kinds = kinds;
  }

  /** Lets things go wrong for a while; resolves when all is well again and every daemon was started. */
  async rage(durationMs: number, pauseMsMax: number): Promise<void> {
    const { world } = this.#cluster;
    const endMs = world.nowMs + durationMs;
    while (world.nowMs < endMs) {
      await world.sleep(this.#random.between(50, pauseMsMax));
      const kind = this.#random.pick(this.#kinds);
      const ending = this.inflict(kind, this.#random.pick(this.#cluster.daemons));
      this.#underway.add(ending);
      void ending.then(() => this.#underway.delete(ending));
    }
    await Promise.all(this.#underway);
    this.#note("all faults are over");
    world.network.heal();
  }

  /** One fault at one daemon; resolves when it is over. */
  inflict(kind: FaultKind, daemon: Daemon): Promise<void> {
    const random = this.#random;
    return FAULTS[kind]({
      cluster: this.#cluster,
      daemon,
      other: random.pick(this.#cluster.daemons.filter((each) => each !== daemon)).host,
      random,
      durationMs: random.between(100, random.chance(0.1) ? LONG_MS_MAX : DURATION_MS_MAX),
      note: (what) => this.#note(what),
    });
  }

  #note(what: string): void {
    this.list.push(`${Math.round(this.#cluster.world.nowMs)} ms: ${what}`);
    this.#cluster.world.note(`fault: ${what}`);
  }
}
