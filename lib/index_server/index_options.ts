/**
 * All options of flarei: flags, config file, environment, `--help`, `--print-config`, `show variables` and the type
 * `IndexServerOptions` derive from this table. Flare's spelling in files and flags, camelCase with the unit in code. Does not
 * know how the settings are used.
 */

import { FlareError } from "../base/errors.ts";
import { INT32_MAX, UINT16_MAX } from "../base/number_bounds.ts";
import type { OptionTable, OptionValues } from "../base/option_schema.ts";
import { choiceOption, completeOptions, integerOption, textOption } from "../base/option_schema.ts";
import { META_DEFAULTS } from "../cluster/node_map_codec.ts";
import { accessOptions, checkAccessOptions } from "../net/auth/access_options.ts";
import {
  dataDirOption,
  INDEX_PORT,
  netReadTimeoutOption,
  processOptions,
  serverOptions,
  serverPortOption,
} from "../net/daemon_options.ts";
import { checkHttpOptions, httpOptions } from "../net/http/http_options.ts";
import { idleDaemonOptions, idleIndexOptions } from "../net/options_without_effect.ts";
import { checkTlsOptions, tlsOptions } from "../net/tls/tls_options.ts";

/** The options that a program may give, in the order `--help` and `--print-config` show them. */
export const indexServerTable = {
  dataDir: dataDirOption("the node map and the pid file"),
  indexDb: textOption({
    name: "index-db",
    default: "",
    placeholder: "uri",
    since: "1.1.0",
    help: "where the node map is: file://DIR, etcd[s]://HOSTS/KEY, zookeeper[s]://HOSTS/CLUSTER; default: file://<data-dir>",
  }),
  indexDbAuthFile: textOption({
    name: "index-db-auth-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "file with the user:password for etcd or ZooKeeper",
  }),
  indexDbCaCert: textOption({
    name: "index-db-ca-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "PEM file of the CAs that sign the certificates of etcd or ZooKeeper; default: the runtime's CAs",
  }),
  indexDbCert: textOption({
    name: "index-db-cert",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "PEM file of the client certificate for etcd or ZooKeeper",
  }),
  indexDbKey: textOption({
    name: "index-db-key",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "PEM file of the private key of index-db-cert",
  }),
  leaderLeaseMs: integerOption({
    name: "leader-lease",
    default: 5,
    min: 2,
    max: 3600,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    help: "with several index servers on one map: after this time without a sign of the leader another one leads",
  }),
  ...serverOptions,
  serverPort: serverPortOption(INDEX_PORT),
  ...tlsOptions,
  ...httpOptions,
  netReadTimeoutMs: netReadTimeoutOption(600000),
  ...accessOptions,

  monitorIntervalMs: integerOption({
    name: "monitor-interval",
    default: 5,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "0.9.8",
    reloadable: true,
    help: "interval between pings of a node",
  }),
  monitorReadTimeoutMs: integerOption({
    name: "monitor-read-timeout",
    default: 1000,
    min: 1,
    max: INT32_MAX,
    unit: "ms",
    since: "0.9.9.8",
    reloadable: true,
    help: "how long a node may take to answer a ping",
  }),
  monitorThreshold: integerOption({
    name: "monitor-threshold",
    default: 3,
    min: 1,
    max: INT32_MAX,
    since: "0.9.8",
    reloadable: true,
    help: "failed pings in a row after which a node is down",
  }),

  keyHashAlgorithm: choiceOption({
    name: "key-hash-algorithm",
    default: "simple",
    choices: ["simple", "crc32", "jenkins"],
    since: "1.0.16",
    help: "hash that maps keys to partitions",
  }),
  partitionModularHint: integerOption({
    name: "partition-modular-hint",
    default: META_DEFAULTS.hint,
    min: 1,
    max: UINT16_MAX,
    since: "1.0.9",
    help: "expected number of partitions at the start",
  }),
  partitionModularVirtual: integerOption({
    name: "partition-modular-virtual",
    default: META_DEFAULTS.virtual,
    min: 1,
    max: 1 << 20,
    since: "1.0.11",
    help: "number of virtual partitions",
  }),
  partitionSize: integerOption({
    name: "partition-size",
    default: META_DEFAULTS.partitionSize,
    min: 2,
    max: UINT16_MAX,
    since: "1.0.11",
    help: "one more than the largest number of partitions",
  }),
} satisfies OptionTable;

/** All options of flarei. */
export const indexOptionTable = {
  ...processOptions,
  ...indexServerTable,
  ...idleDaemonOptions,
  ...idleIndexOptions,
} satisfies OptionTable;

/** The settings of an index server, complete; a program gives `IndexServerOptions`. */
export type IndexSettings = OptionValues<typeof indexOptionTable>;

/**
 * Completes the settings of an index server with the defaults; `indexDb` is always a URI. An empty `serverName` means the
 * host's full name.
 * @throws FlareError INVALID_OPTION for an invalid value, an invalid entry in a list or a missing data directory
 */
export function indexServerOptions(given: Partial<IndexSettings>): IndexSettings {
  const options = completeOptions(indexOptionTable, given);
  if (options.dataDir === "" && !options.indexDb.startsWith("memory:")) {
    throw new FlareError(
      "INVALID_OPTION",
      'option "data-dir" is missing: a directory is needed unless "index-db" is "memory://"',
    );
  }
  checkAccessOptions(options);
  checkTlsOptions(options);
  checkHttpOptions(options);
  return { ...options, indexDb: options.indexDb || `file://${options.dataDir}` };
}
