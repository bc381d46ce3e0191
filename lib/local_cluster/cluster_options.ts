/**
 * The options of a local cluster: its shape, which `flare up` has too, and the fields for programs. Most of these are options
 * of its servers and come from their tables.
 */

import { type FieldsOf, functionField, objectField } from "../base/given_fields.ts";
import { LIBRARY_LOG_LEVEL } from "../base/log_levels.ts";
import { choiceOption, hostOption, integerOption, portOption, textOption, withDefault } from "../base/option_schema.ts";
import { indexOptionTable } from "../index_server/index_options.ts";
import { type AccessOptions, accessOptions } from "../net/auth/access_options.ts";
import { processOptions, serverOptions } from "../net/daemon_options.ts";
import { httpOptions } from "../net/http/http_options.ts";
import { type ServerTls, serverTlsFields } from "../net/tls/server_tls.ts";
import { nodeOptionTable } from "../node_server/node_options.ts";
import type { NodeServerOptions } from "../node_server/node_server_options.ts";
import { nodeFields } from "../node_server/start_node.ts";
import { type EngineChoice, engineNames } from "../storage/engine/engine_choice.ts";

/** The shape and the place of a cluster; the defaults are those of `flare up`. */
export const shapeOptions = {
  partitions: integerOption({
    name: "partitions",
    default: 1,
    min: 1,
    max: 64,
    since: "2.0.0",
    help: "partitions; default: as many as in the data directory",
  }),
  slaves: integerOption({
    name: "slaves",
    default: 0,
    min: 0,
    max: 16,
    since: "2.0.0",
    help: "slaves of each partition; default: as many as the last time",
  }),
  nodes: integerOption({
    name: "nodes",
    default: 0,
    min: 0,
    max: 1024,
    since: "2.0.0",
    help: "nodes; 0 is as many as the partitions and slaves need; additional ones are proxies",
  }),
  bind: withDefault(serverOptions.bind, "127.0.0.1"),
  serverName: hostOption({
    name: "server-name",
    default: "",
    placeholder: "host",
    since: "2.0.0",
    help: "the name by which others reach these servers; default: bind, or the host's full name if that is 0.0.0.0 or ::",
  }),
  port: portOption({
    name: "port",
    default: nodeOptionTable.serverPort.default,
    min: 0,
    since: "2.0.0",
    help: "port of the first node, the others follow; 0 is any free ones",
  }),
  indexPort: portOption({
    name: "index-port",
    default: indexOptionTable.serverPort.default,
    min: 0,
    since: "2.0.0",
    help: "port of the index server, further ones have those below it; 0 is any free ones",
  }),
  indexCount: integerOption({
    name: "index-count",
    default: 1,
    min: 1,
    max: 7,
    since: "2.0.0",
    help: "index servers; one of several leads, and when it fails another one does",
  }),
  httpPort: portOption({
    name: "http-port",
    // Above the ports of the largest number of nodes.
    default: 13200,
    min: 0,
    since: "2.0.0",
    help: "port for HTTP of the index server; those of further index servers and of the nodes follow; 0 is none",
  }),
  httpBind: httpOptions.httpBind,
  httpHosts: httpOptions.httpHosts,
  httpTokenFile: httpOptions.httpTokenFile,
  dataDir: textOption({
    name: "data-dir",
    default: "flare-data",
    placeholder: "path",
    since: "2.0.0",
    help: "directory of all data, created if necessary",
  }),
  storage: choiceOption({
    name: "storage",
    default: "level",
    choices: engineNames,
    since: "2.0.0",
    help: "the storage engine; memory keeps nothing on disk",
  }),
};

// The servers cannot share one address.
const { adminAddress: _, ...clusterAccessOptions } = accessOptions;

export { clusterAccessOptions };

/** The options that are fields of a cluster, with the library's defaults. */
export const clusterOptionTable = {
  ...shapeOptions,
  port: withDefault(shapeOptions.port, 0),
  indexPort: withDefault(shapeOptions.indexPort, 0),
  httpPort: withDefault(shapeOptions.httpPort, 0),
  dataDir: {
    ...withDefault(shapeOptions.dataDir, ""),
    help: "directory of all data, created if necessary; without one nothing is kept on disk",
  },
  storage: {
    ...shapeOptions.storage,
    help: "the storage engine; memory keeps nothing on disk, and is the default without a data directory",
  },
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  monitorIntervalMs: withDefault(indexOptionTable.monitorIntervalMs, 1000),
  logLevel: withDefault(processOptions.logLevel, LIBRARY_LOG_LEVEL),
};

/** The shape and the settings of a cluster; all have defaults. */
export interface ClusterOptions {
  /**
   * Partitions; default: as many as in the data directory.
   *
   * An integer from 1 to 64. `partitions` in files and flags.
   */
  readonly partitions?: number;
  /**
   * Slaves of each partition; default: as many as the last time.
   *
   * An integer from 0 to 16. `slaves` in files and flags.
   */
  readonly slaves?: number;
  /**
   * Nodes; 0 is as many as the partitions and slaves need; additional ones are proxies.
   *
   * An integer from 0 to 1024; default 0. `nodes` in files and flags.
   */
  readonly nodes?: number;
  /**
   * The address to listen on.
   *
   * Default "127.0.0.1". `bind` in files and flags.
   */
  readonly bind?: string;
  /**
   * The name by which others reach these servers; default: bind, or the host's full name if that is 0.0.0.0 or ::.
   *
   * `server-name` in files and flags.
   */
  readonly serverName?: string;
  /**
   * Port of the first node, the others follow; 0 is any free ones.
   *
   * An integer from 0 to 65535; default 0. `port` in files and flags.
   */
  readonly port?: number;
  /**
   * Port of the index server, further ones have those below it; 0 is any free ones.
   *
   * An integer from 0 to 65535; default 0. `index-port` in files and flags.
   */
  readonly indexPort?: number;
  /**
   * Index servers; one of several leads, and when it fails another one does.
   *
   * An integer from 1 to 7; default 1. `index-count` in files and flags.
   */
  readonly indexCount?: number;
  /**
   * Port for HTTP of the index server; those of further index servers and of the nodes follow; 0 is none.
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
   * `http-hosts` in files and flags.
   */
  readonly httpHosts?: string;
  /**
   * File with the token that changes and looks at data need over HTTP; default: neither is possible.
   *
   * `http-token-file` in files and flags.
   */
  readonly httpTokenFile?: string;
  /**
   * Directory of all data, created if necessary; without one nothing is kept on disk.
   *
   * `data-dir` in files and flags.
   */
  readonly dataDir?: string;
  /**
   * The storage engine; memory keeps nothing on disk, and is the default without a data directory.
   *
   * `storage` in files and flags.
   */
  readonly storage?: "level" | "memory";
  /**
   * When a write is answered: async before its replicas have it, sync after; auto is async with a C++ index server.
   *
   * Default "auto". `replication-type` in files and flags.
   */
  readonly replicationType?: "async" | "sync" | "auto";
  /**
   * Memory for entries; one entry can use at most half of it.
   *
   * An integer from 65536 to 8589934592, in bytes; default 268435456. `memory-limit` in files and flags.
   */
  readonly memoryBytesMax?: number;
  /**
   * When written data is synced to disk: before the answer, at intervals, or when the system does it.
   *
   * Default "interval". `fsync` in files and flags.
   */
  readonly fsync?: "always" | "interval" | "os";
  /**
   * Interval between pings of a node.
   *
   * An integer from 1 to 86400000, in milliseconds; default 1000. `monitor-interval` in files and flags.
   */
  readonly monitorIntervalMs?: number;
  /**
   * Log lines of this level and more important ones.
   *
   * Default "warning". `log-level` in files and flags.
   */
  readonly logLevel?: "error" | "warning" | "notice" | "info" | "debug";
  // Further settings.
  /** Returns your own abstract-level database for each node. */
  readonly engine?: (nodeNumber: number) => EngineChoice;
  /** Use TLS everywhere; default: no TLS. */
  readonly tls?: ServerTls;
  /** Authentication and access rules of the index server and every node; with `authFile` they need a `clusterUser`. */
  readonly access?: Partial<Omit<AccessOptions, "adminAddress">>;
  /** Any other option of a node server. */
  readonly node?: NodeServerOptions;
  /** Called with lines of progress while the cluster starts. */
  readonly onProgress?: (line: string) => void;
}

/** The fields a program may pass. */
export const clusterFields: FieldsOf<ClusterOptions> = {
  ...clusterOptionTable,
  engine: functionField,
  tls: objectField(serverTlsFields),
  access: objectField(clusterAccessOptions),
  node: objectField(nodeFields),
  onProgress: functionField,
};
