/**
 * The options of `flare up`, which runs a whole cluster in one process. The settings of its nodes are a subset of flared's
 * options.
 */

import type { OptionTable, OptionValues } from "../lib/base/option_schema.ts";
import { clusterAccessOptions, shapeOptions } from "../lib/local_cluster/cluster_options.ts";
import { processOptions } from "../lib/net/daemon_options.ts";
import { checkHttpOptions } from "../lib/net/http/http_options.ts";
import { checkTlsOptions, tlsOptions } from "../lib/net/tls/tls_options.ts";
import { nodeOptionTable } from "../lib/node_server/node_options.ts";

/** Those that `startCluster` takes under the same names. */
export const upClusterOptions = {
  ...shapeOptions,
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  logLevel: nodeOptionTable.logLevel,
};

/** The options of `flare up`. */
export const upOptionTable = {
  ...fixed({
    configPath: processOptions.configPath,
    ...upClusterOptions,
    logFormat: processOptions.logFormat,
    ...clusterAccessOptions,
    ...tlsOptions,
  }),
  // Beside the content of files (certificates, users, the token), SIGHUP applies this alone.
  logLevel: nodeOptionTable.logLevel,
};

/** A table whose options stay as they are until a restart, although daemons reload some of them. */
function fixed<Table extends OptionTable>(table: Table): Table {
  const options = Object.entries(table).map(([field, option]) => [field, { ...option, reloadable: false }]);
  return Object.fromEntries(options) as Table;
}

/** The settings of `flare up`. */
export type UpOptions = OptionValues<typeof upOptionTable>;

/** Checks that the options are consistent; the start checks them against the data directory. @throws FlareError */
export function upOptions(given: UpOptions): UpOptions {
  checkTlsOptions(given);
  checkHttpOptions(given);
  return given;
}
