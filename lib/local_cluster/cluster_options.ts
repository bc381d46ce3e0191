/**
 * What a local cluster can be told: the options that give it its shape, which `flare up` has too, and the fields a program
 * may give. Most of these are options of its servers and come from their tables.
 */

import { type FieldsOf, functionField, objectField } from "../base/given_fields.ts";
import { choiceOption, hostOption, integerOption, portOption, textOption, withDefault } from "../base/option_schema.ts";
import { indexOptionTable } from "../index_server/index_options.ts";
import { type AccessOptions, accessOptions } from "../net/auth/access_options.ts";
import { serverOptions } from "../net/daemon_options.ts";
import { type TlsOptions, tlsOptions } from "../net/tls/tls_options.ts";
import { nodeOptionTable } from "../node_server/node_options.ts";
import type { NodeServerOptions } from "../node_server/node_server_options.ts";
import type { LogLevel } from "../runtime/runtime.ts";
import { engineNames } from "../storage/engine/engine_choice.ts";
import type { StorageOptions } from "../storage/storage.ts";

/** The shape of a cluster and where it is; the defaults are those of `flare up`. */
export const shapeOptions = {
  partitions: integerOption({ name: "partitions", default: 1, min: 1, max: 64, since: "2.0.0", help: "partitions" }),
  slaves: integerOption({ name: "slaves", default: 0, min: 0, max: 16, since: "2.0.0", help: "slaves of each partition" }),
  nodes: integerOption({
    name: "nodes",
    default: 0,
    min: 0,
    max: 1024,
    since: "2.0.0",
    help: "nodes; 0 is as many as the partitions and slaves need, more are proxies",
  }),
  bind: withDefault(serverOptions.bind, "127.0.0.1"),
  serverName: hostOption({
    name: "server-name",
    default: "",
    placeholder: "host",
    since: "2.0.0",
    help: "the name others reach these servers by; bind unless given, the host's full name where that is 0.0.0.0 or ::",
  }),
  port: portOption({
    name: "port",
    default: nodeOptionTable.serverPort.default,
    min: 0,
    since: "2.0.0",
    help: "port of the first node, the others follow; 0 takes free ones",
  }),
  indexPort: portOption({
    name: "index-port",
    default: indexOptionTable.serverPort.default,
    min: 0,
    since: "2.0.0",
    help: "port of the index server; 0 takes a free one",
  }),
  dataDir: textOption({
    name: "data-dir",
    default: "flare-data",
    placeholder: "path",
    since: "2.0.0",
    help: "directory of all data, created if need be",
  }),
  storage: choiceOption({
    name: "storage",
    default: "level",
    choices: engineNames,
    since: "2.0.0",
    help: "the storage engine; memory keeps nothing",
  }),
};

// One address cannot be every server's.
const { adminAddress: _, ...clusterAccessOptions } = accessOptions;
// All or none of the servers speak TLS.
const { enableSsl: __, ...clusterTlsOptions } = tlsOptions;

export { clusterAccessOptions };

/** The shape and the settings of a cluster; everything has a default. */
export interface ClusterOptions {
  /** Partitions, 1 … 64; default as many as the data directory holds, 1 in a new one. */
  readonly partitions?: number;
  /** Slaves of each partition; default as the data directory had it, 0 in a new one. */
  readonly slaves?: number;
  /** Nodes in all; default as many as partitions and slaves need, and there were; further ones are proxies. */
  readonly nodes?: number;
  /** Address to listen on; default 127.0.0.1. */
  readonly bind?: string;
  /**
   * The name others reach the servers by, also each other; default `bind`, the host's full name where that means all addresses
   * (`0.0.0.0`, `::`).
   */
  readonly serverName?: string;
  /** Port of the first node, the others follow; default 0 = free ones. */
  readonly port?: number;
  /** Port of the index server; default 0 = a free one. */
  readonly indexPort?: number;
  /** Directory of all data; without it nothing is kept. */
  readonly dataDir?: string;
  /** `level` (the default with a data directory) or `memory`. */
  readonly storage?: "level" | "memory";
  /** Gives each node an abstract-level database of your own instead. */
  readonly engine?: (nodeNumber: number) => StorageOptions["engine"];
  /** `async` (default) or `sync`. */
  readonly replicationType?: "async" | "sync";
  /** Memory for the entries of each node in bytes; default 256 MiB. */
  readonly memoryBytesMax?: number;
  /** `interval` (default), `always` or `os`. */
  readonly fsync?: "always" | "interval" | "os";
  /** Everything speaks TLS: the options `ssl-…` of all servers, `sslChainCert` at least; default: plainly. */
  readonly tls?: Partial<Omit<TlsOptions, "enableSsl">>;
  /** How often the index server looks after the nodes, in milliseconds; default 1000. */
  readonly monitorIntervalMs?: number;
  /** The least important log lines to be written; default `warning`. */
  readonly logLevel?: LogLevel;
  /** Who may come in and who may do what, at the index server and at every node; with `authFile` they need a `clusterUser`. */
  readonly access?: Partial<Omit<AccessOptions, "adminAddress">>;
  /** Any other option of a node server. */
  readonly node?: NodeServerOptions;
  /** Hears what is going on while the cluster starts, one line at a time. */
  readonly onProgress?: (line: string) => void;
}

/** What a program may give. */
export const clusterFields: FieldsOf<ClusterOptions> = {
  ...shapeOptions,
  engine: functionField,
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  tls: objectField(clusterTlsOptions),
  monitorIntervalMs: indexOptionTable.monitorIntervalMs,
  logLevel: nodeOptionTable.logLevel,
  access: objectField(clusterAccessOptions),
  node: objectField(nodeOptionTable),
  onProgress: functionField,
};
