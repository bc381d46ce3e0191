/**
 * All options of flared: flags, config file, environment, `--help`, `--print-config`, `show variables` and the type
 * `NodeServerOptions` derive from this table. Flare's spelling in files and flags, camelCase with the unit in code. Does not
 * know how the settings are used.
 */

import { KIB, MIB } from "../base/byte_units.ts";
import { FlareError } from "../base/errors.ts";
import { INT32_MAX, UINT32_MAX } from "../base/number_bounds.ts";
import type { OptionTable, OptionValues } from "../base/option_schema.ts";
import {
  booleanOption,
  choiceOption,
  completeOptions,
  hostOption,
  hostPortsOption,
  integerOption,
  portOption,
  textOption,
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
import { checkHttpOptions, httpOptions } from "../net/http/http_options.ts";
import { idleDaemonOptions, idleNodeOptions } from "../net/options_without_effect.ts";
import { checkTlsOptions, tlsOptions } from "../net/tls/tls_options.ts";
import { engineOfType, isDurable } from "../storage/engine/engine_choice.ts";
import { storageOptionTable, storageTypeOption } from "../storage/storage_options.ts";

/** The options for programs, in the order of `--help` and `--print-config`. */
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
    help: "an additional TLS port for clients; 0 is none",
  }),
  ...httpOptions,
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
    help: "how long another server may be silent before it counts as down",
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
    help: "the index server, if there is only one",
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
    help: "number of connections to each other node",
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
    max: UINT32_MAX,
    since: "1.0.14",
    reloadable: true,
    help: "limit of requests queued for other nodes; beyond it sync writes fail and async copies are dropped; 0 is none",
  }),
  replicationType: choiceOption({
    name: "replication-type",
    default: "auto",
    choices: ["async", "sync", "auto"],
    since: "1.0.10",
    reloadable: true,
    help: "when a write is answered: async before its replicas have it, sync after; auto is async with a C++ index server",
  }),
  replicationTimeoutMs: integerOption({
    name: "replication-timeout",
    default: 5,
    min: 1,
    max: 3600,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how long a slave may leave a write unanswered before it is taken out of the in-sync set",
  }),
  replicationLagMaxMs: integerOption({
    name: "replication-lag-max",
    default: 10_000,
    min: 0,
    max: 3_600_000,
    unit: "ms",
    since: "2.0.0",
    reloadable: true,
    help: "how far a slave in the in-sync set may be behind its master; further writes are not answered then; 0 is no limit",
  }),
  replicationLagPolicy: choiceOption({
    name: "replication-lag-policy",
    default: "wait",
    choices: ["wait", "leave"],
    since: "2.0.0",
    reloadable: true,
    help: "what happens at replication-lag-max: writers wait for the slave, or it leaves the in-sync set",
  }),
  noreplyWindowLimit: integerOption({
    name: "noreply-window-limit",
    default: 0,
    min: 0,
    max: INT32_MAX,
    since: "1.0.16",
    reloadable: true,
    help: "with a C++ index server: asynchronous copies in a row that request no answer; 0 is off",
  }),
  reconstructionIntervalUs: integerOption({
    name: "reconstruction-interval",
    default: 0,
    min: 0,
    max: INT32_MAX,
    unit: "us",
    since: "1.0.9",
    reloadable: true,
    help: "pause after each item copied to a new replica",
  }),
  reconstructionBwlimitBytesPerSecond: integerOption({
    name: "reconstruction-bwlimit",
    default: 0,
    min: 0,
    max: INT32_MAX,
    unit: "KiB/s",
    scale: KIB,
    since: "1.0.13",
    reloadable: true,
    help: "rate limit of the copy to a new replica; 0 is no limit",
  }),
  antiEntropy: choiceOption({
    name: "anti-entropy",
    default: "report",
    choices: ["off", "report", "repair"],
    since: "2.0.0",
    reloadable: true,
    help: "what a master does about keys that differ on its slaves, which it looks for in the background",
  }),
  antiEntropyKeysPerSecond: integerOption({
    name: "anti-entropy-rate",
    default: 200,
    min: 1,
    max: 1_000_000,
    since: "2.0.0",
    reloadable: true,
    help: "how many keys per second a master compares with its slaves in the background",
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
    help: "how long after a new partition is active its old owners remove the moved keys",
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
    help: "number of connections to the other cluster; 0 is the same as proxy-concurrency",
  }),
  clusterReplicationMode: choiceOption({
    name: "cluster-replication-mode",
    default: "duplicate",
    choices: ["duplicate", "forward"],
    since: "1.3.0",
    reloadable: true,
    help: "use of the other cluster: duplicate sends it copies of writes, forward lets it answer everything",
  }),
  clusterReplicationQueueBytesMax: integerOption({
    name: "cluster-replication-queue",
    default: 64,
    min: 1,
    max: 65536,
    unit: "MiB",
    scale: MIB,
    since: "2.0.0",
    help: "memory for changes that wait for the other cluster, without data on disk; beyond it everything is sent again",
  }),

  slowLogMs: integerOption({
    name: "slow-log-ms",
    default: 100,
    min: 0,
    max: 3_600_000,
    unit: "ms",
    since: "2.0.0",
    reloadable: true,
    help: "a request for items that takes this long is slow: it is counted, kept and logged; 0 is off",
  }),
  slowLogSize: integerOption({
    name: "slow-log-size",
    default: 128,
    min: 0,
    max: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how many slow requests are kept, the newest ones; 0 only counts and logs them",
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
  logArchive: textOption({
    name: "log-archive",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "keep the change log in this directory too, for restores to a point in time; empty is off",
  }),
  logArchiveIntervalMs: integerOption({
    name: "log-archive-interval",
    default: 30,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how often new changes are archived",
  }),
  logArchiveRetentionSeconds: integerOption({
    name: "log-archive-retention",
    default: 604800,
    min: 0,
    max: INT32_MAX,
    unit: "s",
    since: "2.0.0",
    reloadable: true,
    help: "how long archived changes are kept; 0 is for ever",
  }),
  logArchiveBacklogBytes: integerOption({
    name: "log-archive-backlog",
    default: 1024,
    min: 0,
    max: 1024 * KIB,
    unit: "MiB",
    scale: MIB,
    since: "2.0.0",
    reloadable: true,
    help: "how much of the change log is kept while it cannot be archived",
  }),
  timeWatcherEnabled: booleanOption({
    name: "time-watcher-enabled",
    default: false,
    since: "1.2.0",
    reloadable: true,
    help: "measure the time of storage accesses",
  }),
  timeWatcherPollingIntervalMs: integerOption({
    name: "time-watcher-polling-interval-msec",
    default: 0,
    min: 0,
    max: UINT32_MAX,
    unit: "ms",
    since: "1.2.0",
    reloadable: true,
    help: "interval of the measurements",
  }),
  storageAccessWatchThresholdWarnMs: integerOption({
    name: "storage-access-watch-threshold-warn-msec",
    default: 0,
    min: 0,
    max: UINT32_MAX,
    unit: "ms",
    since: "1.2.0",
    reloadable: true,
    help: "storage access time that is logged as a warning; 0 is off",
  }),
  storageAccessWatchThresholdPingNgMs: integerOption({
    name: "storage-access-watch-threshold-ping-ng-msec",
    default: 0,
    min: 0,
    max: UINT32_MAX,
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

/** Complete settings of a node server; programs pass `NodeServerOptions`. */
export type NodeSettings = OptionValues<typeof nodeOptionTable>;

/**
 * Completes the settings of a node server: fills in the defaults, moves the index servers into `indexServers`, makes
 * `clusterReplicationConcurrency` nonzero. An empty `serverName` means the host's full name.
 * @throws FlareError INVALID_OPTION for an invalid value, a missing data directory, a missing index server or two ways of
 * naming one, an invalid entry in a list
 */
export function nodeServerOptions(given: Partial<NodeSettings>): NodeSettings {
  const options = completeOptions(nodeOptionTable, given);
  if (options.dataDir === "" && isDurable(engineOfType(options.storageType))) {
    throw new FlareError(
      "INVALID_OPTION",
      'option "data-dir" is missing: a directory is needed unless "storage-type" is "memory"',
    );
  }
  if (options.logArchive !== "" && (options.dataDir === "" || !isDurable(engineOfType(options.storageType)))) {
    throw new FlareError("INVALID_OPTION", 'option "log-archive" needs "data-dir", and no "storage-type" of "memory"');
  }
  checkAccessOptions(options);
  checkTlsOptions(options, options.sslPort);
  checkHttpOptions(options);
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
    throw new FlareError("INVALID_OPTION", '"index-servers" and "index-server-name" are both given: use only one');
  }
  if (indexServers.length === 0 && named.length === 0) {
    throw new FlareError("INVALID_OPTION", 'the index server is missing: set "index-servers" or "index-server-name"');
  }
  return indexServers.length > 0 ? indexServers : named;
}
