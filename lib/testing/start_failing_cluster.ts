/** Starts a cluster that fails on purpose, for a test: what it may give, checked. */

import { checkFields, choiceField, type FieldsOf, field, integerField, objectField } from "../base/given_fields.ts";
import type { NodeServerOptions } from "../node_server/node_server_options.ts";
import { nodeFields } from "../node_server/start_node.ts";
import { SimulatedCluster } from "./failing_cluster.ts";
import type { FailingCluster } from "./public_failing_cluster.ts";

/** What `startFailingCluster` takes: the seed, and the shape and the settings of the cluster. */
export interface FailingClusterOptions {
  /** Decides everything that happens; default 1. */
  readonly seed?: string | number;
  /** Default 1. */
  readonly partitions?: number;
  /** Slaves of each partition; default 1. */
  readonly slaves?: number;
  /** Nodes besides those: proxies, which take the places of lost slaves; default 0. */
  readonly spares?: number;
  /** Several index servers share a map in a service of its own, and elect a leader; default 1, whose map is in a file. */
  readonly indexServers?: number;
  /** Default `sync`. */
  readonly replicationType?: "async" | "sync";
  /** Default `always`. */
  readonly fsync?: "always" | "interval" | "os";
  /** Any other option of the nodes. */
  readonly node?: Partial<NodeServerOptions>;
}

const DEFAULTS: Required<FailingClusterOptions> = {
  seed: 1,
  partitions: 1,
  slaves: 1,
  spares: 0,
  indexServers: 1,
  replicationType: "sync",
  fsync: "always",
  node: {},
};

const clusterFields: FieldsOf<FailingClusterOptions> = {
  seed: field("a string or a number", (value) => typeof value === "string" || typeof value === "number"),
  partitions: integerField(1, 16),
  slaves: integerField(0, 8),
  spares: integerField(0, 16),
  indexServers: integerField(1, 7),
  replicationType: choiceField(["async", "sync"]),
  fsync: choiceField(["always", "interval", "os"]),
  node: objectField(nodeFields),
};

/**
 * Starts a cluster on simulated machines in this process, whose network, disks and clocks fail as the test says, or at random
 * by a seed. It resolves when the cluster serves. Time is virtual, and the same seed always gives the same run, as long as the
 * test awaits nothing but the cluster between its calls, and its own steps depend on nothing else.
 * @throws FlareError INVALID_OPTION | TIMED_OUT
 *
 * @example
 * ```ts
 * import { startFailingCluster } from "flare-kv/testing";
 *
 * await using cluster = await startFailingCluster({ seed: 7, slaves: 1 });
 * using client = cluster.client();
 * await client.set("visits", "41");
 * cluster.faults.kill(cluster.master() ?? "");
 * await cluster.sleep(15_000);
 * console.log(await client.get("visits")); // 41
 * await cluster.check();
 * ```
 */
export async function startFailingCluster(options: FailingClusterOptions = {}): Promise<FailingCluster> {
  checkFields(clusterFields, options);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { seed, partitions, slaves, spares, indexServers, ...others } = { ...DEFAULTS, ...given };
  return SimulatedCluster.start(
    String(seed),
    { partitions, slaves, spares },
    { ...others, indexMachines: indexServers, syncReads: true },
  );
}
