/**
 * The options of `flare up`, which runs a whole cluster in one process. The settings of its nodes are flared's own
 * options, only fewer.
 */

import { FlareError } from "../lib/base/errors.ts";
import type { OptionValues } from "../lib/base/option_schema.ts";
import { choiceOption, hostOption, integerOption, textOption } from "../lib/base/option_schema.ts";
import { accessOptions } from "../lib/net/access_options.ts";
import { checkTlsOptions } from "../lib/net/tls_options.ts";
import { nodeOptionTable } from "../lib/node_server/node_options.ts";

// One address cannot be every server's.
const { adminAddress: _, ...upAccessOptions } = accessOptions;

/** The options of `flare up`. */
export const upOptionTable = {
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
  bind: hostOption({
    name: "bind",
    default: "127.0.0.1",
    placeholder: "address",
    since: "2.0.0",
    help: "the address to listen on",
  }),
  port: integerOption({
    name: "port",
    default: 12121,
    min: 0,
    max: 65535,
    since: "2.0.0",
    help: "port of the first node, the others follow; 0 takes free ones",
  }),
  indexPort: integerOption({
    name: "index-port",
    default: 12120,
    min: 0,
    max: 65535,
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
    choices: ["level", "memory"],
    since: "2.0.0",
    help: "the storage engine; memory keeps nothing",
  }),
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  logLevel: nodeOptionTable.logLevel,
  ...upAccessOptions,
  enableSsl: nodeOptionTable.enableSsl,
  sslChainCert: nodeOptionTable.sslChainCert,
  sslKey: nodeOptionTable.sslKey,
  sslCaCert: nodeOptionTable.sslCaCert,
  sslVerifyMode: nodeOptionTable.sslVerifyMode,
  sslMinVersion: nodeOptionTable.sslMinVersion,
};

/** The settings of `flare up`. */
export type UpOptions = OptionValues<typeof upOptionTable>;

/**
 * Checks that the options fit together; `nodes` is never 0 in the answer.
 * @throws FlareError INVALID_OPTION
 */
export function upOptions(given: UpOptions): UpOptions {
  const needed = given.partitions * (1 + given.slaves);
  const nodes = given.nodes === 0 ? needed : given.nodes;
  if (nodes < needed) {
    const wanted = `${given.partitions} partitions with ${given.slaves} slaves each`;
    throw new FlareError(
      "INVALID_OPTION",
      `option "nodes": "${nodes}" is not enough for ${wanted}; at least ${needed} are needed`,
    );
  }
  if (given.port !== 0 && given.port + nodes > 65536) {
    throw new FlareError("INVALID_OPTION", `option "port": "${given.port}" leaves no room for ${nodes} nodes below 65536`);
  }
  checkTlsOptions(given);
  return { ...given, nodes };
}
