/**
 * All options of the original that have no effect here, each with the reason. They are accepted, so that its config files and
 * start scripts keep working, and shown where the original shows them. The log names the ones given.
 */

import { INT32_MAX, UINT32_MAX } from "../base/number_bounds.ts";
import { booleanOption, choiceOption, integerOption, type OptionTable, portOption, textOption } from "../base/option_schema.ts";

const noThreads = "one process serves all connections, without threads";
const otherEngine = "it tunes the original's engines";
const noMysqlSettings = "it is for mysql-replication, which is not supported";
const noMysql = "replication to MySQL is not supported; cluster-replication sends every write to another cluster";

/** The options of both daemons. */
export const idleDaemonOptions = {
  stderr: booleanOption({
    name: "stderr",
    short: "s",
    default: false,
    since: "1.3.4",
    commandLineOnly: true,
    withoutEffect: "the log goes to stderr anyway, unless log-file is given",
    help: "log to stderr",
  }),
  logFacility: textOption({
    name: "log-facility",
    default: "",
    placeholder: "name",
    since: "0.9.8",
    reloadable: true,
    withoutEffect: "the log goes to stderr or to log-file, not to syslog",
    help: "syslog facility",
  }),
  stackSizeKib: integerOption({
    name: "stack-size",
    default: 128,
    min: 0,
    max: INT32_MAX,
    unit: "KiB",
    since: "0.9.9.6",
    withoutEffect: noThreads,
    help: "stack of a thread",
  }),
  threadPoolSize: integerOption({
    name: "thread-pool-size",
    default: 5,
    min: 0,
    max: INT32_MAX,
    since: "0.9.8",
    reloadable: true,
    withoutEffect: noThreads,
    help: "idle threads kept",
  }),
} satisfies OptionTable;

/** The options of flarei. */
export const idleIndexOptions = {
  partitionType: choiceOption({
    name: "partition-type",
    default: "modular",
    choices: ["modular"],
    since: "1.0.9",
    withoutEffect: "modular is the only type",
    help: "how keys are distributed over partitions",
  }),
} satisfies OptionTable;

/** The options of flared. */
export const idleNodeOptions = {
  mutexSlot: integerOption({
    name: "mutex-slot",
    default: 64,
    min: 1,
    max: INT32_MAX,
    since: "0.9.8",
    withoutEffect: noThreads,
    help: "storage lock slots",
  }),
  storageAp: integerOption({
    name: "storage-ap",
    default: 4,
    min: 0,
    max: UINT32_MAX,
    since: "0.9.9.5",
    withoutEffect: otherEngine,
    help: "alignment of records, a power of two",
  }),
  storageBucketSize: integerOption({
    name: "storage-bucket-size",
    default: 131071,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    since: "0.9.9.5",
    withoutEffect: otherEngine,
    help: "hash buckets",
  }),
  storageCacheSize: integerOption({
    name: "storage-cache-size",
    default: 65536,
    min: 0,
    max: INT32_MAX,
    since: "1.0.6",
    withoutEffect: "all deletions are kept, see tombstone-retention",
    help: "deletions kept in memory",
  }),
  storageCompress: choiceOption({
    name: "storage-compress",
    default: "",
    choices: ["", "deflate", "bz2", "tcbs"],
    since: "0.9.9.5",
    withoutEffect: "values are stored uncompressed",
    help: "compression of values",
  }),
  storageDfunit: integerOption({
    name: "storage-dfunit",
    default: 0,
    min: 0,
    max: INT32_MAX,
    since: "1.0.14",
    withoutEffect: otherEngine,
    help: "defragmentation unit",
  }),
  storageFp: integerOption({
    name: "storage-fp",
    default: 10,
    min: 0,
    max: UINT32_MAX,
    since: "1.0.18",
    withoutEffect: otherEngine,
    help: "free block pool, a power of two",
  }),
  storageLarge: booleanOption({
    name: "storage-large",
    default: false,
    since: "0.9.9.5",
    withoutEffect: "files may be of any size",
    help: "files over 2 GB",
  }),
  storageLmemb: integerOption({
    name: "storage-lmemb",
    default: 128,
    min: 0,
    max: INT32_MAX,
    since: "1.0.10",
    withoutEffect: otherEngine,
    help: "records in a leaf page of tcb",
  }),
  storageNmemb: integerOption({
    name: "storage-nmemb",
    default: 256,
    min: 0,
    max: INT32_MAX,
    since: "1.0.10",
    withoutEffect: otherEngine,
    help: "records in an inner page of tcb",
  }),
  mysqlReplication: choiceOption({
    name: "mysql-replication",
    default: "false",
    choices: ["false", "off", "no", "0"],
    since: "1.0.2",
    withoutEffect: noMysql,
    help: "send writes to MySQL",
  }),
  mysqlReplicationPort: portOption({
    name: "mysql-replication-port",
    default: 12122,
    min: 0,
    since: "1.0.2",
    withoutEffect: noMysqlSettings,
    help: "port of mysql-replication",
  }),
  mysqlReplicationId: integerOption({
    name: "mysql-replication-id",
    default: 19790217,
    min: 0,
    max: UINT32_MAX,
    since: "1.0.2",
    withoutEffect: noMysqlSettings,
    help: "server id of mysql-replication",
  }),
  mysqlReplicationDb: textOption({
    name: "mysql-replication-db",
    default: "flare",
    placeholder: "name",
    since: "1.0.2",
    withoutEffect: noMysqlSettings,
    help: "database of mysql-replication",
  }),
  mysqlReplicationTable: textOption({
    name: "mysql-replication-table",
    default: "flare",
    placeholder: "name",
    since: "1.0.2",
    withoutEffect: noMysqlSettings,
    help: "table of mysql-replication",
  }),
} satisfies OptionTable;
