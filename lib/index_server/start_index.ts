/** Starts an index server for a program: what it may give, checked, and a runtime where it gives none. */

import { checkFields, choiceField, type Fields, objectField } from "../base/given_fields.ts";
import { LIBRARY_LOG_LEVEL, LOG_LEVELS, type LogLevel } from "../base/log_levels.ts";
import { type OptionTable, withoutOptions } from "../base/option_schema.ts";
import { runtimeField } from "../net/given_runtime.ts";
import { type ServerTls, serverTlsFields, tlsOptionsOf } from "../net/tls/server_tls.ts";
import { tlsOptions } from "../net/tls/tls_options.ts";
import { detectRuntime } from "../runtime/detect.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { indexServerOptions, indexServerTable } from "./index_options.ts";
import { startIndexServer as start } from "./index_server.ts";
import type { IndexServerOptions } from "./index_server_options.ts";
import type { IndexServer } from "./public_index.ts";

/** What `startIndexServer` takes: the settings, and what only a program can give. */
export interface StartIndexServerOptions extends IndexServerOptions {
  /** Speak TLS; default: plain TCP. */
  readonly tls?: ServerTls;
  /** What sockets, clocks, files and the log come from; default: the runtime that executes this. */
  readonly runtime?: Runtime;
  /** The least important log lines that are written, unless `runtime` is given; default `warning`. */
  readonly logLevel?: LogLevel;
}

/** The rows of flarei's table that a program may set; instead of those of TLS it has `tls`. */
export const indexFields: OptionTable = withoutOptions(indexServerTable, Object.keys(tlsOptions));

const startFields: Fields = {
  ...indexFields,
  tls: objectField(serverTlsFields),
  runtime: runtimeField,
  logLevel: choiceField(LOG_LEVELS),
};

/**
 * Starts an index server, as the program `flarei` does. It serves when the promise resolves.
 * @param options `dataDir` is needed unless `indexDb` is `memory://`
 * @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | DATA_DIR_LOCKED | CORRUPT | DISK_FULL | IO_ERROR
 *
 * @example
 * ```ts
 * import { ClusterAdmin, startIndexServer } from "flare-kv";
 *
 * await using index = await startIndexServer({ indexDb: "memory://", serverName: "127.0.0.1", serverPort: 0 });
 * using admin = new ClusterAdmin({ indexServer: index.address });
 * console.log((await admin.nodeMap()).nodes); // []
 * ```
 */
export async function startIndexServer(options: StartIndexServerOptions): Promise<IndexServer> {
  checkFields(startFields, options);
  const { runtime, logLevel = LIBRARY_LOG_LEVEL, tls, ...settings } = options;
  const given = tls === undefined ? settings : { ...settings, ...tlsOptionsOf(tls) };
  return start(runtime ?? detectRuntime({ programName: "flarei", logLevel }), indexServerOptions(given));
}
