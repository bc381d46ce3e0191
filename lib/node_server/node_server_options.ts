/**
 * The options of a node server for programs. Generated from the option table: `tests/tidy/option_types.test.ts` writes the
 * fields with `UPDATE_DOCUMENTS=1`, and checks that they match the table.
 */

/** The settings of a node server; all but the required ones have defaults. */
export interface NodeServerOptions {
  /**
   * Directory of the data, the change log and the pid file.
   *
   * `data-dir` in files and flags.
   */
  readonly dataDir?: string;
  /**
   * The name by which others reach this server; default: the host's full name.
   *
   * `server-name` in files and flags.
   */
  readonly serverName?: string;
  /**
   * Listen on this UNIX socket too.
   *
   * `server-socket` in files and flags.
   */
  readonly serverSocket?: string;
  /**
   * The address to listen on.
   *
   * Default "0.0.0.0". `bind` in files and flags.
   */
  readonly bind?: string;
  /**
   * Largest number of client connections.
   *
   * An integer from 1 to 1000000; default 1024. `max-connection` in files and flags. Can be reloaded.
   */
  readonly maxConnection?: number;
  /**
   * Longest request line.
   *
   * An integer from 1024 to 2147483647, in bytes; default 1048576. `line-bytes-max` in files and flags.
   */
  readonly lineBytesMax?: number;
  /**
   * Memory for incomplete requests, all connections together.
   *
   * An integer from 1 to 1099511627776, in bytes; default 268435456. `request-memory-limit` in files and flags.
   */
  readonly requestMemoryBytesMax?: number;
  /**
   * Unread replies above which a connection's requests wait.
   *
   * An integer from 1 to 1073741824, in bytes; default 1048576. `output-high-water` in files and flags.
   */
  readonly outputHighWaterBytes?: number;
  /**
   * The port to listen on; 0 is any free one.
   *
   * An integer from 0 to 65535; default 12121. `server-port` in files and flags.
   */
  readonly serverPort?: number;
  /**
   * The port for HTTP: health and metrics; 0 is none.
   *
   * An integer from 0 to 65535; default 0. `http-port` in files and flags.
   */
  readonly httpPort?: number;
  /**
   * The address to listen on for HTTP.
   *
   * Default "127.0.0.1". `http-bind` in files and flags.
   */
  readonly httpBind?: string;
  /**
   * Further names and addresses under which HTTP clients may reach this server.
   *
   * `http-hosts` in files and flags. Can be reloaded.
   */
  readonly httpHosts?: string;
  /**
   * File with the token that changes and looks at data need over HTTP; default: neither is possible.
   *
   * `http-token-file` in files and flags. Can be reloaded.
   */
  readonly httpTokenFile?: string;
  /**
   * Length of the kernel's queue of connections that are not accepted yet.
   *
   * An integer from 1 to 65535; default 1024. `back-log` in files and flags.
   */
  readonly backLog?: number;
  /**
   * Idle timeout of connections.
   *
   * An integer from 1 to 2147483000, in milliseconds; default 600000. `net-read-timeout` in files and flags. Can be
   * reloaded.
   */
  readonly netReadTimeoutMs?: number;
  /**
   * How long another server may be silent before it counts as down.
   *
   * An integer from 1 to 86400000, in milliseconds; default 5000. `peer-read-timeout` in files and flags.
   */
  readonly peerReadTimeoutMs?: number;
  /**
   * File of users, one user:password per line; every connection has to log in as one of them.
   *
   * `auth-file` in files and flags. Can be reloaded.
   */
  readonly authFile?: string;
  /**
   * Addresses, networks and unix, whose connections need not log in.
   *
   * `auth-exempt` in files and flags. Can be reloaded.
   */
  readonly authExempt?: string;
  /**
   * How long a connection may take to log in.
   *
   * An integer from 1 to 86400000, in milliseconds; default 30000. `auth-timeout` in files and flags. Can be reloaded.
   */
  readonly authTimeoutMs?: number;
  /**
   * Log in to other servers of the cluster as this user of `authFile`.
   *
   * `cluster-user` in files and flags. Can be reloaded.
   */
  readonly clusterUser?: string;
  /**
   * Who may run commands of nodes and operators: addresses, networks, unix, user:NAME, cert:NAME, any, none.
   *
   * Default "any". `admin-access` in files and flags. Can be reloaded.
   */
  readonly adminAccess?: string;
  /**
   * Listen here too; these connections may run those commands whatever `adminAccess` says.
   *
   * `admin-address` in files and flags.
   */
  readonly adminAddress?: string;
  /**
   * How long a request may take to arrive completely; 0 is no limit.
   *
   * An integer from 0 to 86400000, in milliseconds; default 300000. `request-timeout` in files and flags. Can be reloaded.
   */
  readonly requestTimeoutMs?: number;
  /**
   * The index servers.
   *
   * `index-servers` in files and flags. Can be reloaded.
   */
  readonly indexServers?: readonly { readonly host: string; readonly port: number }[];
  /**
   * The index server, if there is only one.
   *
   * `index-server-name` in files and flags. Can be reloaded.
   */
  readonly indexServerName?: string;
  /**
   * Its port.
   *
   * An integer from 1 to 65535; default 12120. `index-server-port` in files and flags. Can be reloaded.
   */
  readonly indexServerPort?: number;
  /**
   * Number of connections to each other node.
   *
   * An integer from 1 to 1024; default 2. `proxy-concurrency` in files and flags.
   */
  readonly proxyConcurrency?: number;
  /**
   * Prefer replicas in the same network for reads; 0 is off.
   *
   * An integer from 0 to 32, in bits; default 0. `proxy-prior-netmask` in files and flags.
   */
  readonly proxyPriorNetmask?: number;
  /**
   * Limit of requests queued for other nodes; beyond it sync writes fail and async copies are dropped; 0 is none.
   *
   * An integer from 0 to 4294967295; default 0. `max-total-thread-queue` in files and flags. Can be reloaded.
   */
  readonly maxTotalThreadQueue?: number;
  /**
   * When a write is answered: async before its replicas have it, sync after; auto is async with a C++ index server.
   *
   * Default "auto". `replication-type` in files and flags. Can be reloaded.
   */
  readonly replicationType?: "async" | "sync" | "auto";
  /**
   * How long a slave may leave a write unanswered before it is taken out of the in-sync set.
   *
   * An integer from 1 to 3600000, in milliseconds; default 5000. `replication-timeout` in files and flags. Can be reloaded.
   */
  readonly replicationTimeoutMs?: number;
  /**
   * How far a slave in the in-sync set may be behind its master; further writes are not answered then; 0 is no limit.
   *
   * An integer from 0 to 3600000, in milliseconds; default 10000. `replication-lag-max` in files and flags. Can be reloaded.
   */
  readonly replicationLagMaxMs?: number;
  /**
   * What happens at `replicationLagMaxMs`: writers wait for the slave, or it leaves the in-sync set.
   *
   * Default "wait". `replication-lag-policy` in files and flags. Can be reloaded.
   */
  readonly replicationLagPolicy?: "wait" | "leave";
  /**
   * With a C++ index server: asynchronous copies in a row that request no answer; 0 is off.
   *
   * An integer from 0 to 2147483647; default 0. `noreply-window-limit` in files and flags. Can be reloaded.
   */
  readonly noreplyWindowLimit?: number;
  /**
   * Pause after each item copied to a new replica.
   *
   * An integer from 0 to 2147483647, in microseconds; default 0. `reconstruction-interval` in files and flags. Can be
   * reloaded.
   */
  readonly reconstructionIntervalUs?: number;
  /**
   * Rate limit of the copy to a new replica; 0 is no limit.
   *
   * An integer from 0 to 2199023254528, in bytes per second; default 0. `reconstruction-bwlimit` in files and flags. Can be
   * reloaded.
   */
  readonly reconstructionBwlimitBytesPerSecond?: number;
  /**
   * What a master does about keys that differ on its slaves, which it looks for in the background.
   *
   * Default "report". `anti-entropy` in files and flags. Can be reloaded.
   */
  readonly antiEntropy?: "off" | "report" | "repair";
  /**
   * How many keys per second a master compares with its slaves in the background.
   *
   * An integer from 1 to 1000000; default 200. `anti-entropy-rate` in files and flags. Can be reloaded.
   */
  readonly antiEntropyKeysPerSecond?: number;
  /**
   * How long after a new partition is active its old owners remove the moved keys.
   *
   * An integer from 0 to 86400000, in milliseconds; default 10000. `moved-keys-delay` in files and flags. Can be reloaded.
   */
  readonly movedKeysDelayMs?: number;
  /**
   * Send writes to another cluster too.
   *
   * Default false. `cluster-replication` in files and flags. Can be reloaded.
   */
  readonly clusterReplication?: boolean;
  /**
   * A node of the other cluster.
   *
   * `cluster-replication-server-name` in files and flags. Can be reloaded.
   */
  readonly clusterReplicationServerName?: string;
  /**
   * Its port.
   *
   * An integer from 1 to 65535; default 12121. `cluster-replication-server-port` in files and flags. Can be reloaded.
   */
  readonly clusterReplicationServerPort?: number;
  /**
   * Number of connections to the other cluster; 0 is the same as `proxyConcurrency`.
   *
   * An integer from 0 to 1024; default 0. `cluster-replication-concurrency` in files and flags.
   */
  readonly clusterReplicationConcurrency?: number;
  /**
   * Use of the other cluster: duplicate sends it copies of writes, forward lets it answer everything.
   *
   * Default "duplicate". `cluster-replication-mode` in files and flags. Can be reloaded.
   */
  readonly clusterReplicationMode?: "duplicate" | "forward";
  /**
   * Memory for changes that wait for the other cluster, without data on disk; beyond it everything is sent again.
   *
   * An integer from 1 to 68719476736, in bytes; default 67108864. `cluster-replication-queue` in files and flags.
   */
  readonly clusterReplicationQueueBytesMax?: number;
  /**
   * A request for items that takes this long is slow: it is counted, kept and logged; 0 is off.
   *
   * An integer from 0 to 3600000, in milliseconds; default 100. `slow-log-ms` in files and flags. Can be reloaded.
   */
  readonly slowLogMs?: number;
  /**
   * How many slow requests are kept, the newest ones; 0 only counts and logs them.
   *
   * An integer from 0 to 1000; default 128. `slow-log-size` in files and flags. Can be reloaded.
   */
  readonly slowLogSize?: number;
  /**
   * What "version" answers: flare-2.0.0 as the original, or numbers first, which libmemcached needs for its figures.
   *
   * Default "flare". `version-format` in files and flags. Can be reloaded.
   */
  readonly versionFormat?: "flare" | "memcached";
  /**
   * The storage engine; tch, tcb, kch select level.
   *
   * Default "level". `storage-type` in files and flags.
   */
  readonly storageType?: "level" | "memory" | "tch" | "tcb" | "kch";
  /**
   * Memory for entries; one entry can use at most half of it.
   *
   * An integer from 65536 to 8589934592, in bytes; default 268435456. `memory-limit` in files and flags. Can be reloaded.
   */
  readonly memoryBytesMax?: number;
  /**
   * Longest key.
   *
   * An integer from 250 to 32767, in bytes; default 8191. `key-bytes-max` in files and flags.
   */
  readonly keyBytesMax?: number;
  /**
   * Longest value.
   *
   * An integer from 1 to 2147483645, in bytes; default 2147483645. `value-bytes-max` in files and flags.
   */
  readonly valueBytesMax?: number;
  /**
   * When written data is synced to disk: before the answer, at intervals, or when the system does it.
   *
   * Default "interval". `fsync` in files and flags.
   */
  readonly fsync?: "always" | "interval" | "os";
  /**
   * The interval of fsync = interval.
   *
   * An integer from 1 to 3600000, in milliseconds; default 1000. `fsync-interval` in files and flags.
   */
  readonly fsyncIntervalMs?: number;
  /**
   * How often changed entries are written from the change log to the engine.
   *
   * An integer from 1 to 86400000, in milliseconds; default 60000. `checkpoint-interval` in files and flags.
   */
  readonly checkpointIntervalMs?: number;
  /**
   * Size of a file of the change log.
   *
   * An integer from 4096 to 1073741824, in bytes; default 134217728. `log-segment-size` in files and flags.
   */
  readonly logSegmentBytes?: number;
  /**
   * How much of the change log is kept for replicas that were away, beyond what a restart needs.
   *
   * An integer from 0 to 1099511627776, in bytes; default 268435456. `log-retention` in files and flags.
   */
  readonly logRetentionBytes?: number;
  /**
   * How long a deletion is remembered.
   *
   * An integer from 0 to 2147483647, in seconds; default 86400. `tombstone-retention` in files and flags.
   */
  readonly tombstoneRetentionSeconds?: number;
  /**
   * Keep the change log in this directory too, for restores to a point in time; empty is off.
   *
   * `log-archive` in files and flags.
   */
  readonly logArchive?: string;
  /**
   * How often new changes are archived.
   *
   * An integer from 1 to 86400000, in milliseconds; default 30000. `log-archive-interval` in files and flags. Can be
   * reloaded.
   */
  readonly logArchiveIntervalMs?: number;
  /**
   * How long archived changes are kept; 0 is for ever.
   *
   * An integer from 0 to 2147483647, in seconds; default 604800. `log-archive-retention` in files and flags. Can be
   * reloaded.
   */
  readonly logArchiveRetentionSeconds?: number;
  /**
   * How much of the change log is kept while it cannot be archived.
   *
   * An integer from 0 to 1099511627776, in bytes; default 1073741824. `log-archive-backlog` in files and flags. Can be
   * reloaded.
   */
  readonly logArchiveBacklogBytes?: number;
  /**
   * Measure the time of storage accesses.
   *
   * Default false. `time-watcher-enabled` in files and flags. Can be reloaded.
   */
  readonly timeWatcherEnabled?: boolean;
  /**
   * Interval of the measurements.
   *
   * An integer from 0 to 4294967295, in milliseconds; default 0. `time-watcher-polling-interval-msec` in files and flags.
   * Can be reloaded.
   */
  readonly timeWatcherPollingIntervalMs?: number;
  /**
   * Storage access time that is logged as a warning; 0 is off.
   *
   * An integer from 0 to 4294967295, in milliseconds; default 0. `storage-access-watch-threshold-warn-msec` in files and
   * flags. Can be reloaded.
   */
  readonly storageAccessWatchThresholdWarnMs?: number;
  /**
   * Storage access time after which ping fails and the index server takes the node down; 0 is off.
   *
   * An integer from 0 to 4294967295, in milliseconds; default 0. `storage-access-watch-threshold-ping-ng-msec` in files and
   * flags. Can be reloaded.
   */
  readonly storageAccessWatchThresholdPingNgMs?: number;
}
