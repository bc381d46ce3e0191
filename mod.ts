/**
 * Flare for TypeScript: a persistent, replicated, partitioned key-value store that speaks the memcached protocol, as a
 * library. Start a whole cluster in your process, or one of its servers.
 *
 * @example
 * ```ts
 * import { startCluster } from "flare-kv";
 *
 * const cluster = await startCluster({ dataDir: "data" });
 * console.log("connect any memcached client to", cluster.addresses[0]);
 * await cluster.stop();
 * ```
 * @module
 */

import { checkFields } from "./lib/base/given_fields.ts";
import { indexServerOptions } from "./lib/index_server/index_options.ts";
import type { IndexServer } from "./lib/index_server/index_server.ts";
import { startIndexServer as startIndex } from "./lib/index_server/index_server.ts";
import type { IndexServerOptions } from "./lib/index_server/index_server_options.ts";
import { type ClusterOptions, clusterFields } from "./lib/local_cluster/cluster_options.ts";
import { LocalCluster } from "./lib/local_cluster/local_cluster.ts";
import { checkRuntime, runtimeField } from "./lib/net/given_runtime.ts";
import { NodeServer } from "./lib/node_server/node_server.ts";
import type { NodeServerOptions } from "./lib/node_server/node_server_options.ts";
import type { NodeServerParts } from "./lib/node_server/node_storage.ts";
import { detectRuntime } from "./lib/runtime/detect.ts";
import type { Runtime } from "./lib/runtime/runtime.ts";

/** The operator's verbs: plans of changes, and the hands that carry them out on any cluster there is. */
export {
  activateChange,
  balanceChange,
  downChange,
  masterChange,
  partChange,
  promoteChange,
  reconstructChange,
  removeChange,
  slaveChange,
} from "./lib/admin/change_verbs.ts";
export { ClusterAdmin, type ClusterAdminOptions } from "./lib/admin/cluster_admin.ts";
/** Faults, and what kinds there are. */
export { FlareError, type FlareErrorCode } from "./lib/base/errors.ts";
/** The release. */
export { VERSION } from "./lib/base/version.ts";
/** A typed client of one server. */
export { Client, type StoreOptions, StoreResult } from "./lib/client/client.ts";
export type { ClientOptions } from "./lib/client/client_options.ts";
export type { Bytes, Item } from "./lib/client/item.ts";
export type { DeletePrefixOptions, DeleteProgress, ScanItem, ScanOptions } from "./lib/client/scan.ts";
/** A node in the node map, with the words for its role and state. */
export { type ClusterNode, NodeRole, NodeState } from "./lib/cluster/node.ts";
/** Picks the adapter for Node, Deno or Bun. */
export { detectRuntime } from "./lib/runtime/detect.ts";
/** The seam to sockets, clocks and files, for whoever brings an adapter. */
export type { Runtime } from "./lib/runtime/runtime.ts";
export type { ClusterOptions, IndexServer, IndexServerOptions, LocalCluster, NodeServerOptions, NodeServerParts };
export { NodeServer };

/** What `startCluster` takes: the shape and settings of the cluster, and an adapter if not the one detected. */
export interface StartClusterOptions extends ClusterOptions {
  readonly runtime?: Runtime;
}

/**
 * Starts an index server and its nodes in this process and resolves when clients can connect to any of the nodes.
 * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | IO_ERROR | CORRUPT
 *
 * @example
 * ```ts
 * import { startCluster } from "flare-kv";
 *
 * const cluster = await startCluster({ partitions: 2, slaves: 1 });
 * console.log(cluster.addresses.length); // 4
 * await cluster.stop();
 * ```
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
  checkFields({ ...clusterFields, runtime: runtimeField }, options);
  const runtime = options.runtime ?? (await detectRuntime({ programName: "flare", logLevel: options.logLevel ?? "warning" }));
  return LocalCluster.start(runtime, options);
}

/** Starts one node server (`flared`); options as in `docs/operations.md`, camelCase with the unit. @throws FlareError */
export async function startNodeServer(runtime: Runtime, options: NodeServerOptions): Promise<NodeServer> {
  return NodeServer.start(runtime, options);
}

/** Starts an index server (`flarei`). @throws FlareError */
export async function startIndexServer(runtime: Runtime, options: IndexServerOptions): Promise<IndexServer> {
  checkRuntime(runtime);
  return startIndex(runtime, indexServerOptions(options));
}
