/**
 * The comparison of a slave with its master, page by page: the master does it (`node compare`), here its pages are asked for
 * and added up. A node that does not know the command, a C++ one, cannot be compared.
 */

import { EMPTY_BYTES } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { NodeState } from "../cluster/node.ts";
import { type ComparePage, compareCommand, type Difference, parsePage } from "../protocol/comparison.ts";
import type { ClusterAccess } from "./cluster_host.ts";

/** A slave, compared with its master. */
export interface ReplicaReport {
  readonly partition: number;
  readonly master: string;
  readonly slave: string;
  /** Items of the master that were compared. */
  readonly items: number;
  /** Keys that differ, repaired ones included. */
  readonly differences: number;
  readonly repaired: number;
  /** Keys that changed each time they were looked at: nothing is known of them. */
  readonly busy: number;
  /** `complete`; `unknown`: one of the two nodes does not know the comparison; `failed`: it was not completed. */
  readonly outcome: "complete" | "unknown" | "failed";
  /** Why it is not complete. */
  readonly reason: string;
}

/** How a comparison is made. */
export interface ReplicaCheckOptions {
  readonly repair: boolean;
  /** Called for each key that differs. */
  readonly onDifference: (difference: Difference) => void;
}

/** How often a page is asked for that is refused because something changes just now, and the pause in between. */
const ATTEMPTS_MAX = 5;
const PAUSE_MS = 500;
/** The answer to a command that a node does not know. */
const UNKNOWN = "ERROR";

/** Compares a slave with its master. What fails is in the report. */
export async function checkReplica(
  cluster: Pick<ClusterAccess, "client" | "runtime">,
  master: ClusterNode,
  slave: ClusterNode,
  options: ReplicaCheckOptions,
): Promise<ReplicaReport> {
  const sums = { items: 0, differences: 0, repaired: 0, busy: 0 };
  const report = (outcome: ReplicaReport["outcome"], reason: string): ReplicaReport => {
    return { partition: slave.partition, master: master.key, slave: slave.key, ...sums, outcome, reason };
  };
  try {
    const ignorant = await ignorantOf(cluster, master, slave);
    if (ignorant !== undefined) return report("unknown", `"${ignorant.key}" does not know the comparison of replicas`);
    if (slave.state !== NodeState.active) return report("failed", "it is not active");
    for (let after: Uint8Array | undefined = EMPTY_BYTES; after !== undefined; ) {
      const page = await nextPage(cluster, master, slave, after, options.repair);
      sums.items += page.items;
      sums.busy += page.busy;
      sums.differences += page.differences.length;
      sums.repaired += page.differences.filter(({ isRepaired }) => isRepaired).length;
      for (const difference of page.differences) options.onDifference(difference);
      after = page.reached;
    }
    return report("complete", "");
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return report("failed", error.message);
  }
}

/** The first of the two that does not know its command; without arguments that changes nothing. */
async function ignorantOf(
  cluster: Pick<ClusterAccess, "client">,
  master: ClusterNode,
  slave: ClusterNode,
): Promise<ClusterNode | undefined> {
  if ((await cluster.client(master.key).line("node compare")) === UNKNOWN) return master;
  return (await cluster.client(slave.key).line("node digest")) === UNKNOWN ? slave : undefined;
}

async function nextPage(
  cluster: Pick<ClusterAccess, "client" | "runtime">,
  master: ClusterNode,
  slave: ClusterNode,
  after: Uint8Array,
  repair: boolean,
): Promise<ComparePage> {
  const command = compareCommand({ host: slave.host, port: String(slave.port), after, repair });
  for (let attempt = 1; ; attempt++) {
    try {
      const page = parsePage(await cluster.client(master.key).lines(command));
      if (page === undefined) throw new FlareError("CORRUPT", `"${master.key}" sent a malformed comparison`);
      return page;
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "REFUSED" || attempt === ATTEMPTS_MAX) throw error;
    }
    await sleep(cluster.runtime.clock, PAUSE_MS, true);
  }
}
