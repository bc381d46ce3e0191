/**
 * Flare for TypeScript: a persistent, replicated, partitioned key-value store that speaks the memcached protocol, as a
 * library. Start a whole cluster in your process, or one of its servers, and talk to any server with a typed client.
 *
 * @example
 * ```ts
 * import { startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ partitions: 2 });
 * using client = cluster.client();
 * await client.set("greeting", "hello");
 * console.log(new TextDecoder().decode((await client.get("greeting"))?.value)); // hello
 * console.log("connect any memcached client to", cluster.nodes[0].key);
 * ```
 * @module
 */

export { Awaited, type Change, type ClusterView, type Planner, type Preview, type Step } from "./lib/admin/change.ts";
export type { ChangeEvent, CopyProgress, RunOptions } from "./lib/admin/change_runner.ts";
export {
  type ActivateOptions,
  activateChange,
  balanceChange,
  downChange,
  type JoinOptions,
  type MasterOptions,
  masterChange,
  type PromoteOptions,
  partChange,
  promoteChange,
  type ReconstructOptions,
  type RemoveOptions,
  reconstructChange,
  removeChange,
  type SlaveOptions,
  slaveChange,
} from "./lib/admin/change_verbs.ts";
export { ClusterAdmin, type ClusterAdminOptions } from "./lib/admin/cluster_admin.ts";
export type { IndexReport } from "./lib/admin/index_report.ts";
export type { NodeFigures, NodeReport, ThreadReport } from "./lib/admin/node_report.ts";
export type { BalanceTarget, RoleTarget } from "./lib/admin/node_targets.ts";
export type { ReplicationReport } from "./lib/admin/replication_report.ts";
export { FlareError, type FlareErrorCode, type FlareErrorOptions } from "./lib/base/errors.ts";
export type { HostPort } from "./lib/base/host_port.ts";
export type { Uint64 } from "./lib/base/uint64.ts";
export { VERSION } from "./lib/base/version.ts";
export { Client, type StoreOptions, StoreResult } from "./lib/client/client.ts";
export type { ClientOptions, ConnectionOptions } from "./lib/client/client_options.ts";
export type { ClientTls, Pem } from "./lib/client/client_tls.ts";
export type { Bytes, Item } from "./lib/client/item.ts";
export type {
  DeletePrefixOptions,
  DeleteProgress,
  ScanItem,
  ScanOptions,
  ScanPage,
  ScanPageOptions,
} from "./lib/client/scan.ts";
export type { DataIdentity } from "./lib/cluster/data_identity.ts";
export { KeyHashAlgorithm } from "./lib/cluster/key_hash.ts";
export type { KeyResolverOptions } from "./lib/cluster/key_resolver.ts";
export type { MapRecord } from "./lib/cluster/map_record.ts";
export { type ClusterNode, NodeRole, NodeState } from "./lib/cluster/node.ts";
export type { NodeMap } from "./lib/cluster/node_map.ts";
export type { ClusterMeta } from "./lib/cluster/node_map_codec.ts";
export type { IndexServerOptions } from "./lib/index_server/index_server_options.ts";
export type { IndexServer } from "./lib/index_server/public_index.ts";
export { type StartIndexServerOptions, startIndexServer } from "./lib/index_server/start_index.ts";
export type { ClusterOptions } from "./lib/local_cluster/cluster_options.ts";
export type { Cluster } from "./lib/local_cluster/public_cluster.ts";
export { type StartClusterOptions, startCluster } from "./lib/local_cluster/start_cluster.ts";
export type { AccessOptions } from "./lib/net/auth/access_options.ts";
export type { NodeTls, ServerTls } from "./lib/net/tls/server_tls.ts";
export type { NodeServerOptions } from "./lib/node_server/node_server_options.ts";
export type { NodeServerParts } from "./lib/node_server/node_storage.ts";
export type { NodeServer, StopOptions } from "./lib/node_server/public_node.ts";
export { type StartNodeServerOptions, startNodeServer } from "./lib/node_server/start_node.ts";
export { detectRuntime } from "./lib/runtime/detect.ts";
export type {
  Address,
  AppendFile,
  Clock,
  Connection,
  ConnectionHandler,
  ConnectionSecurity,
  ConnectOptions,
  FileLock,
  FileSystem,
  HttpAnswer,
  HttpProtocol,
  HttpRequest,
  HttpResponse,
  Listener,
  ListenOptions,
  Log,
  LogFormat,
  LogLevel,
  ProcessInfo,
  Random,
  Runtime,
  Timer,
  TlsClient,
  TlsServer,
  TlsVersion,
  Transport,
} from "./lib/runtime/runtime.ts";
export type { RuntimeOptions } from "./lib/runtime/runtime_options.ts";
export type { EngineDatabase } from "./lib/storage/engine/engine.ts";
export type { EngineChoice, EngineName } from "./lib/storage/engine/engine_choice.ts";
export type { StorageProgress } from "./lib/storage/storage_options.ts";
