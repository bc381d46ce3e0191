/**
 * The options of an index server for programs. Generated from the option table: `tests/tidy/option_types.test.ts` writes the
 * fields with `UPDATE_DOCUMENTS=1`, and checks that they match the table.
 */

/** The settings of an index server; all have defaults. */
export interface IndexServerOptions {
  /**
   * Directory of the node map and the pid file.
   *
   * `data-dir` in files and flags.
   */
  readonly dataDir?: string;
  /**
   * Where the node map is: file://DIR, etcd[s]://HOSTS/KEY, zookeeper[s]://HOSTS/CLUSTER; default: file://<data-dir>.
   *
   * `index-db` in files and flags.
   */
  readonly indexDb?: string;
  /**
   * File with the user:password for etcd or ZooKeeper.
   *
   * `index-db-auth-file` in files and flags.
   */
  readonly indexDbAuthFile?: string;
  /**
   * PEM file of the CAs that sign the certificates of etcd or ZooKeeper; default: the runtime's CAs.
   *
   * `index-db-ca-cert` in files and flags.
   */
  readonly indexDbCaCert?: string;
  /**
   * PEM file of the client certificate for etcd or ZooKeeper.
   *
   * `index-db-cert` in files and flags.
   */
  readonly indexDbCert?: string;
  /**
   * PEM file of the private key of `indexDbCert`.
   *
   * `index-db-key` in files and flags.
   */
  readonly indexDbKey?: string;
  /**
   * With several index servers on one map: after this time without a sign of the leader another one leads.
   *
   * An integer from 2 to 3600000, in milliseconds; default 5000. `leader-lease` in files and flags.
   */
  readonly leaderLeaseMs?: number;
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
   * An integer from 0 to 65535; default 12120. `server-port` in files and flags.
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
   * Idle timeout of connections.
   *
   * An integer from 1 to 2147483000, in milliseconds; default 600000000. `net-read-timeout` in files and flags. Can be
   * reloaded.
   */
  readonly netReadTimeoutMs?: number;
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
   * Interval between pings of a node.
   *
   * An integer from 1 to 86400000, in milliseconds; default 5000. `monitor-interval` in files and flags. Can be reloaded.
   */
  readonly monitorIntervalMs?: number;
  /**
   * How long a node may take to answer a ping.
   *
   * An integer from 1 to 2147483647, in milliseconds; default 1000. `monitor-read-timeout` in files and flags. Can be
   * reloaded.
   */
  readonly monitorReadTimeoutMs?: number;
  /**
   * Failed pings in a row after which a node is down.
   *
   * An integer from 1 to 2147483647; default 3. `monitor-threshold` in files and flags. Can be reloaded.
   */
  readonly monitorThreshold?: number;
  /**
   * Hash that maps keys to partitions.
   *
   * Default "simple". `key-hash-algorithm` in files and flags.
   */
  readonly keyHashAlgorithm?: "simple" | "crc32" | "jenkins";
  /**
   * Expected number of partitions at the start.
   *
   * An integer from 1 to 65535; default 1. `partition-modular-hint` in files and flags.
   */
  readonly partitionModularHint?: number;
  /**
   * Number of virtual partitions.
   *
   * An integer from 1 to 1048576; default 4096. `partition-modular-virtual` in files and flags.
   */
  readonly partitionModularVirtual?: number;
  /**
   * One more than the largest number of partitions.
   *
   * An integer from 2 to 65535; default 1024. `partition-size` in files and flags.
   */
  readonly partitionSize?: number;
}
