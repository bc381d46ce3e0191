/** Starts a node server for a program: what it may give, checked, and a runtime where it gives none. */

import { checkFields, choiceField, type Fields, objectField } from "../base/given_fields.ts";
import { LIBRARY_LOG_LEVEL, LOG_LEVELS, type LogLevel } from "../base/log_levels.ts";
import { type OptionTable, withoutOptions } from "../base/option_schema.ts";
import { runtimeField } from "../net/given_runtime.ts";
import { type NodeTls, nodeTlsFields, nodeTlsOptionsOf } from "../net/tls/server_tls.ts";
import { tlsOptions } from "../net/tls/tls_options.ts";
import { detectRuntime } from "../runtime/detect.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { nodeServerTable } from "./node_options.ts";
import { RunningNode } from "./node_server.ts";
import type { NodeServerOptions } from "./node_server_options.ts";
import { type NodeServerParts, nodeServerPartFields } from "./node_storage.ts";
import type { NodeServer } from "./public_node.ts";

/** What `startNodeServer` takes: the settings, and what only a program can give. */
export interface StartNodeServerOptions extends NodeServerOptions, NodeServerParts {
  /** Speak TLS; default: plain TCP. */
  readonly tls?: NodeTls;
  /** What sockets, clocks, files and the log come from; default: the runtime that executes this. */
  readonly runtime?: Runtime;
  /** The least important log lines that are written, unless `runtime` is given; default `warning`. */
  readonly logLevel?: LogLevel;
}

/** The rows of flared's table that a program may set; instead of those of TLS it has `tls`. */
export const nodeFields: OptionTable = withoutOptions(nodeServerTable, [...Object.keys(tlsOptions), "sslPort"]);

const startFields: Fields = {
  ...nodeFields,
  ...nodeServerPartFields,
  tls: objectField(nodeTlsFields),
  runtime: runtimeField,
  logLevel: choiceField(LOG_LEVELS),
};

/**
 * Starts one node server, as the program `flared` does. It resolves when clients are served.
 * @param options `indexServers` is needed, and `dataDir` unless `storageType` is `memory`
 * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR |
 * CONNECTION_FAILED | TIMED_OUT | REFUSED (by the index server)
 *
 * @example
 * ```ts
 * import { startIndexServer, startNodeServer } from "flare-kv";
 *
 * await using index = await startIndexServer({ indexDb: "memory://", serverName: "127.0.0.1", serverPort: 0 });
 * await using node = await startNodeServer({
 *   indexServers: [index.address],
 *   serverName: "127.0.0.1",
 *   serverPort: 0,
 *   storageType: "memory",
 * });
 * console.log(node.nodeMap.nodes.length); // 1
 * ```
 */
export async function startNodeServer(options: StartNodeServerOptions): Promise<NodeServer> {
  checkFields(startFields, options);
  const { runtime, logLevel = LIBRARY_LOG_LEVEL, tls, engine, onProgress, serversInProcess, ...settings } = options;
  const given = tls === undefined ? settings : { ...settings, ...nodeTlsOptionsOf(tls) };
  return RunningNode.start(runtime ?? detectRuntime({ programName: "flared", logLevel }), given, {
    ...(engine === undefined ? {} : { engine }),
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(serversInProcess === undefined ? {} : { serversInProcess }),
  });
}
