/**
 * Every option of flared, once: the table from which flags, config file, environment, `--help`, `--print-config`,
 * `show variables` and the type `NodeServerOptions` come. Flare's spelling in files and flags, camelCase with the unit
 * in code. Knows nothing of how the settings are used.
 */

import { FlareError } from "../base/errors.ts";
import type { OptionTable, OptionValues } from "../base/option_schema.ts";
import {
  booleanOption,
  choiceOption,
  completeOptions,
  hostOption,
  hostPortsOption,
  int32Max,
  integerOption,
  portOption,
  uint32Max,
} from "../base/option_schema.ts";
import { accessOptions, checkAccessOptions } from "../net/auth/access_options.ts";
import {
  backLogOption,
  dataDirOption,
  INDEX_PORT,
  NODE_PORT,
  netReadTimeoutOption,
  processOptions,
  serverOptions,
  serverPortOption,
} from "../net/daemon_options.ts";
import { idleDaemonOptions, idleNodeOptions } from "../net/options_without_effect.ts";
import { checkTlsOptions, tlsOptions } from "../net/tls/tls_options.ts";
import { engineOfType, isDurable } from "../storage/engine/engine_choice.ts";
import { storageOptionTable, storageTypeOption } from "../storage/storage_options.ts";
import type { NodeServerOptions } from "./node_server_options.ts";

/** The options that a program may give, in the order `--help` and `--print-config` show them. */
export const nodeServerTable = {
  dataDir: dataDirOption("the data, the change log and the pid file"),
  ...serverOptions,
  serverPort: serverPortOption(NODE_PORT),
  ...tlsOptions,
  sslPort: portOption({
    name: "ssl-port",
    default: 0,
    min: 0,
    since: "2.0.0",
    help: "a further port for clients, which speaks TLS; 0 is none",
  }),
  backLog: backLogOption,
  netReadTimeoutMs: netReadTimeoutOption(600),
  peerReadTimeoutMs: integerOption({
    name: "peer-read-timeout",
    default: 5,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    help: "how long another server may be silent before it counts as gone",
  }),
  ...accessOptions,

  indexServers: hostPortsOption({
    name: "index-servers",
    variable: "index_server(s)",
    since: "1.1.0",
    reloadable: true,
    help: "the index servers",
  }),
  indexServerName: hostOption({
    name: "index-server-name",
    default: "",
    placeholder: "host",
    since: "0.9.8",
    reloadable: true,
    help: "the index server, where there is only one",
  }),
  indexServerPort: portOption({
    name: "index-server-port",
    default: INDEX_PORT,
    min: 1,
    since: "0.9.8",
    reloadable: true,
    help: "its port",
  }),

  proxyConcurrency: integerOption({
    name: "proxy-concurrency",
    default: 2,
    min: 1,
    max: 1024,
    since: "0.9.8",
    help: "connections to each other node",
  }),
  proxyPriorNetmask: integerOption({
    name: "proxy-prior-netmask",
    default: 0,
    min: 0,
    max: 32,
    unit: "bits",
    since: "1.0.14",
    help: "prefer replicas in the same network for reads; 0 is off",
  }),
  maxTotalThreadQueue: integerOption({
    name: "max-total-thread-queue",
    default: 0,
    min: 0,
    max: uint32Max,
    since: "1.0.14",
    reloadable: true,
    help: "requests waiting for other nodes, all together: then sync writes fail, others lose their copies; 0 is no limit",
  }),
  replicationType: choiceOption({
    name: "replication-type",
    default: "async",
    choices: ["async", "sync"],
    since: "1.0.10",
    reloadable: true,
    help: "whether a write is answered before or after its replicas have it",
  }),
  noreplyWindowLimit: integerOption({
    name: "noreply-window-limit",
    default: 0,
    min: 0,
    max: int32Max,
    since: "1.0.16",
    reloadable: true,
    help: "asynchronously replicated writes in a row that ask for no answer; 0 is off",
  }),
  reconstructionIntervalUs: integerOption({
    name: "reconstruction-interval",
    default: 0,
    min: 0,
    max: int32Max,
    unit: "us",
    since: "1.0.9",
    reloadable: true,
    help: "pause after each item copied to a new replica",
  }),
  reconstructionBwlimitBytesPerSecond: integerOption({
    name: "reconstruction-bwlimit",
    default: 0,
    min: 0,
    max: int32Max,
    unit: "KiB/s",
    scale: 1024,
    since: "1.0.13",
    reloadable: true,
    help: "speed of the copy to a new replica; 0 is no limit",
  }),
  movedKeysDelayMs: integerOption({
    name: "moved-keys-delay",
    default: 10,
    min: 0,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how long after a new partition took over its old owners remove the keys that moved there",
  }),

  clusterReplication: booleanOption({
    name: "cluster-replication",
    default: false,
    since: "1.2.0",
    reloadable: true,
    help: "send writes to another cluster too",
  }),
  clusterReplicationServerName: hostOption({
    name: "cluster-replication-server-name",
    default: "",
    placeholder: "host",
    since: "1.2.0",
    reloadable: true,
    help: "a node of the other cluster",
  }),
  clusterReplicationServerPort: portOption({
    name: "cluster-replication-server-port",
    default: NODE_PORT,
    min: 1,
    since: "1.2.0",
    reloadable: true,
    help: "its port",
  }),
  clusterReplicationConcurrency: integerOption({
    name: "cluster-replication-concurrency",
    default: 0,
    min: 0,
    max: 1024,
    since: "1.2.0",
    help: "connections to the other cluster; as many as proxy-concurrency unless given",
  }),
  clusterReplicationMode: choiceOption({
    name: "cluster-replication-mode",
    default: "duplicate",
    choices: ["duplicate", "forward"],
    since: "1.3.0",
    reloadable: true,
    help: "keep a copy there, or answer with what the other cluster says",
  }),
  clusterReplicationQueueBytesMax: integerOption({
    name: "cluster-replication-queue",
    default: 64,
    min: 1,
    max: 65536,
    unit: "MiB",
    scale: 1048576,
    since: "2.0.0",
    help: "writes kept in memory while the other cluster is away; with more of them everything is sent again",
  }),

  versionFormat: choiceOption({
    name: "version-format",
    default: "flare",
    choices: ["flare", "memcached"],
    since: "2.0.0",
    reloadable: true,
    help: 'what "version" answers: flare-2.0.0 as the original, or numbers first, which libmemcached needs for its figures',
  }),
  storageType: storageTypeOption,
  ...storageOptionTable,
  timeWatcherEnabled: booleanOption({
    name: "time-watcher-enabled",
    default: false,
    since: "1.2.0",
    reloadable: true,
    help: "watch the time storage accesses take",
  }),
  timeWatcherPollingIntervalMs: integerOption({
    name: "time-watcher-polling-interval-msec",
    default: 0,
    min: 0,
    max: uint32Max,
    unit: "ms",
    since: "1.2.0",
    reloadable: true,
    help: "how often the time watcher looks",
  }),
  storageAccessWatchThresholdWarnMs: integerOption({
    name: "storage-access-watch-threshold-warn-msec",
    default: 0,
    min: 0,
    max: uint32Max,
    unit: "ms",
    since: "1.2.0",
    reloadable: true,
    help: "storage access time that is logged as a warning; 0 is off",
  }),
  storageAccessWatchThresholdPingNgMs: integerOption({
    name: "storage-access-watch-threshold-ping-ng-msec",
    default: 0,
    min: 0,
    max: uint32Max,
    unit: "ms",
    since: "1.2.0",
    reloadable: true,
    help: "storage access time after which ping fails and the index server takes the node down; 0 is off",
  }),
} satisfies OptionTable;

/** All options of flared. */
export const nodeOptionTable = {
  ...processOptions,
  ...nodeServerTable,
  ...idleDaemonOptions,
  ...idleNodeOptions,
} satisfies OptionTable;

/** The settings of a node server, complete; a program gives `NodeServerOptions`. */
export type NodeSettings = OptionValues<typeof nodeOptionTable>;

/**
 * The settings of a node server from the ones that were given: defaults filled in, `indexServers` alone naming the
 * index servers, `clusterReplicationConcurrency` never 0. An empty `serverName` stands for the host's full name.
 * @throws FlareError INVALID_OPTION for a wrong value, no data directory, no index server or two ways of naming one, a wrong
 * entry in a list
 */
export function nodeServerOptions(given: NodeServerOptions): NodeSettings {
  const options = completeOptions(nodeOptionTable, given);
  if (options.dataDir === "" && isDurable(engineOfType(options.storageType))) {
    throw new FlareError(
      "INVALID_OPTION",
      'option "data-dir" is missing: a directory is needed unless "storage-type" is "memory"',
    );
  }
  checkAccessOptions(options);
  checkTlsOptions(options, options.sslPort);
  return {
    ...options,
    indexServers: chooseIndexServers(options),
    indexServerName: "",
    clusterReplicationConcurrency: options.clusterReplicationConcurrency || options.proxyConcurrency,
  };
}

function chooseIndexServers(options: NodeSettings): NodeSettings["indexServers"] {
  const { indexServers, indexServerName, indexServerPort } = options;
  const named = indexServerName === "" ? [] : [{ host: indexServerName, port: indexServerPort }];
  if (indexServers.length > 0 && named.length > 0) {
    throw new FlareError("INVALID_OPTION", '"index-servers" and "index-server-name" are both given; only one is allowed');
  }
  if (indexServers.length === 0 && named.length === 0) {
    throw new FlareError("INVALID_OPTION", 'the index server is missing: "index-servers" or "index-server-name" is needed');
  }
  return indexServers.length > 0 ? indexServers : named;
}
