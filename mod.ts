/**
 * Flare for TypeScript: a persistent, replicated, partitioned key-value store that speaks the memcached protocol, as a
 * library. Start a whole cluster in your process, or one of its servers, and talk to it with a typed client.
 *
 * @example
 * ```ts
 * import { startCluster } from "flare-kv";
 *
 * const cluster = await startCluster({ partitions: 2 });
 * const client = cluster.client();
 * await client.set("greeting", "hello");
 * console.log("connect any memcached client to", cluster.nodes[0].key);
 * client.close();
 * await cluster.stop();
 * ```
 * @module
 */

import { checkFields, type Fields } from "./lib/base/given_fields.ts";
import { indexServerOptions, indexServerTable } from "./lib/index_server/index_options.ts";
import { startIndexServer as startIndex } from "./lib/index_server/index_server.ts";
import type { IndexServerOptions as IndexOptions } from "./lib/index_server/index_server_options.ts";
import type { IndexServer } from "./lib/index_server/public_index.ts";
import {
  type ClusterOptions as ClusterSettings,
  clusterFields,
  clusterOptionTable,
} from "./lib/local_cluster/cluster_options.ts";
import { LocalCluster } from "./lib/local_cluster/local_cluster.ts";
import type { Cluster } from "./lib/local_cluster/public_cluster.ts";
import { runtimeField } from "./lib/net/given_runtime.ts";
import { nodeServerTable } from "./lib/node_server/node_options.ts";
import { RunningNode } from "./lib/node_server/node_server.ts";
import type { NodeServerOptions as NodeOptions } from "./lib/node_server/node_server_options.ts";
import { type NodeServerParts, nodeServerPartFields } from "./lib/node_server/node_storage.ts";
import type { NodeServer, StopOptions } from "./lib/node_server/public_node.ts";
import { detectRuntime } from "./lib/runtime/detect.ts";
import type { LogLevel, Runtime } from "./lib/runtime/runtime.ts";

/** The operator's verbs: change plans, and the client that executes them on any cluster. */
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
/** Errors and their codes. */
export { FlareError, type FlareErrorCode } from "./lib/base/errors.ts";
/** The release. */
export { VERSION } from "./lib/base/version.ts";
/** A typed client for one server. */
export { Client, type StoreOptions, StoreResult } from "./lib/client/client.ts";
export type { ClientOptions, ConnectionOptions } from "./lib/client/client_options.ts";
export type { Bytes, Item } from "./lib/client/item.ts";
export type { DeletePrefixOptions, DeleteProgress, ScanItem, ScanOptions } from "./lib/client/scan.ts";
/** A node in the node map, with the constants for its role and state. */
export { type ClusterNode, NodeRole, NodeState } from "./lib/cluster/node.ts";
/** Selects the adapter for Node, Deno or Bun. */
export { detectRuntime } from "./lib/runtime/detect.ts";
/** The interface to sockets, clocks and files, for custom adapters. */
export type { Runtime } from "./lib/runtime/runtime.ts";
export type { Cluster, IndexServer, NodeServer, NodeServerParts, StopOptions };

const logLevelRow = clusterOptionTable.logLevel;
/** A server's options besides its settings. */
const ownFields: Fields = { runtime: runtimeField, logLevel: logLevelRow };

/** The options of `startCluster`: the shape and settings of the cluster, and optionally a runtime. */
export interface ClusterOptions extends ClusterSettings {
  /** The runtime for sockets, clocks, files and the log; default `detectRuntime({ logLevel })`. */
  readonly runtime?: Runtime;
}

/**
 * The options of `startNodeServer`: settings as in `docs/operations.md`, camelCase with the unit, and options only for
 * programs.
 */
export interface NodeServerOptions extends NodeOptions, NodeServerParts {
  /** The runtime for sockets, clocks, files and the log; default `detectRuntime({ logLevel })`. */
  readonly runtime?: Runtime;
  /** Log lines of this level and more important ones, unless `runtime` is given; default `warning`. */
  readonly logLevel?: LogLevel;
}

/** The options of `startIndexServer`: settings as in `docs/operations.md`, camelCase with the unit. */
export interface IndexServerOptions extends IndexOptions {
  /** The runtime for sockets, clocks, files and the log; default `detectRuntime({ logLevel })`. */
  readonly runtime?: Runtime;
  /** Log lines of this level and more important ones, unless `runtime` is given; default `warning`. */
  readonly logLevel?: LogLevel;
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
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  checkFields({ ...clusterFields, runtime: runtimeField }, options);
  const { runtime, ...given } = options;
  return LocalCluster.start(runtime ?? ownRuntime("flare", given.logLevel), given);
}

/** Starts one node server (`flared`); resolves when it serves clients. @throws FlareError */
export async function startNodeServer(options: NodeServerOptions): Promise<NodeServer> {
  checkFields({ ...nodeServerTable, ...nodeServerPartFields, ...ownFields }, options);
  const { runtime, logLevel, engine, onProgress, serversInProcess, ...given } = options;
  const parts: NodeServerParts = {
    ...(engine === undefined ? {} : { engine }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(serversInProcess === undefined ? {} : { serversInProcess }),
  };
  return RunningNode.start(runtime ?? ownRuntime("flared", logLevel), given, parts);
}

/** Starts an index server (`flarei`); resolves when it is ready. @throws FlareError */
export async function startIndexServer(options: IndexServerOptions): Promise<IndexServer> {
  checkFields({ ...indexServerTable, ...ownFields }, options);
  const { runtime, logLevel, ...given } = options;
  return startIndex(runtime ?? ownRuntime("flarei", logLevel), indexServerOptions(given));
}

function ownRuntime(programName: string, logLevel: LogLevel = logLevelRow.default): Runtime {
  return detectRuntime({ programName, logLevel });
}
