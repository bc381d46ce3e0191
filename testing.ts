/**
 * Flare for TypeScript, for your tests: a cluster on simulated machines, in one process and in virtual time, whose processes,
 * network, disks and clocks fail on purpose, all of it decided by one seed; and a check that nothing acknowledged was lost and
 * nothing stale was read. Nothing of it is in the main entry point.
 *
 * @example
 * ```ts
 * import { startFailingCluster } from "flare-kv/testing";
 *
 * await using cluster = await startFailingCluster({ seed: 1, slaves: 2, spares: 1 });
 * cluster.startLoad({ clients: 2 });
 * await cluster.faults.storm({ durationMs: 2000, kinds: ["kill", "cut", "reset"] });
 * const { findings } = await cluster.check();
 * console.log(findings.length); // 0
 * ```
 * @module
 */

export type {
  CheckOptions,
  CheckReport,
  ClusterFaults,
  ClusterLoad,
  DiskFault,
  FailingCluster,
  FindingName,
  LoadOptions,
  MapServiceFault,
  RecordingClient,
  RecordingClientOptions,
  StormFault,
  StormOptions,
  VersionedItem,
} from "./lib/testing/public_failing_cluster.ts";
export { type FailingClusterOptions, startFailingCluster } from "./lib/testing/start_failing_cluster.ts";
