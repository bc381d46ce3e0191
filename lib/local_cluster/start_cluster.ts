/** Starts a cluster for a program: what it may give, checked, and a runtime where it gives none. */

import { checkFields } from "../base/given_fields.ts";
import { LIBRARY_LOG_LEVEL } from "../base/log_levels.ts";
import { runtimeField } from "../net/given_runtime.ts";
import { detectRuntime } from "../runtime/detect.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type ClusterOptions, clusterFields } from "./cluster_options.ts";
import { LocalCluster } from "./local_cluster.ts";
import type { Cluster } from "./public_cluster.ts";

/** What `startCluster` takes: the shape and the settings of the cluster, and a runtime. */
export interface StartClusterOptions extends ClusterOptions {
  /** What sockets, clocks, files and the log come from; default: the runtime that executes this, with `logLevel`. */
  readonly runtime?: Runtime;
}

/**
 * Starts an index server and its nodes in this process. It resolves when clients can connect to any of the nodes.
 * @param options by default one node in memory on a free port
 * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR
 *
 * @example
 * ```ts
 * import { startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ partitions: 2, slaves: 1 });
 * console.log(cluster.addresses.length); // 4
 * ```
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<Cluster> {
  checkFields({ ...clusterFields, runtime: runtimeField }, options);
  const { runtime, ...given } = options;
  const { logLevel = LIBRARY_LOG_LEVEL } = given;
  return LocalCluster.start(runtime ?? detectRuntime({ programName: "flare", logLevel }), given);
}
