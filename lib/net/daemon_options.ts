/**
 * The options of both daemons, with the same names, limits and defaults. Each daemon's table includes these and defines the
 * options whose default differs (the port, the directory's content).
 */

import { GIB, KIB, MIB } from "../base/byte_units.ts";
import { DEFAULT_LOG_FORMAT, DEFAULT_LOG_LEVEL, LOG_FORMATS, LOG_LEVELS } from "../base/log_levels.ts";
import { INT32_MAX, UINT16_MAX } from "../base/number_bounds.ts";
import { booleanOption, choiceOption, hostOption, integerOption, portOption, textOption } from "../base/option_schema.ts";

/** The original's ports. */
export const NODE_PORT = 12121;
export const INDEX_PORT = 12120;

/** Options of the programs alone: where the settings come from and where the log goes. The library does not know them. */
export const processOptions = {
  configPath: textOption({
    name: "config",
    variable: "config_path",
    short: "f",
    default: "",
    placeholder: "path",
    since: "0.9.8",
    commandLineOnly: true,
    help: "config file",
  }),
  pidPath: textOption({
    name: "pid",
    variable: "pid_path",
    short: "p",
    default: "",
    placeholder: "path",
    since: "1.0.10",
    commandLineOnly: true,
    help: "pid file; default: in the data directory",
  }),
  daemonize: booleanOption({
    name: "daemonize",
    default: false,
    since: "0.9.8",
    help: "run in the background, log to a file",
  }),
  logFile: textOption({
    name: "log-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "append the log to this file, reopened on SIGHUP; default: stderr, with daemonize <data-dir>/<program>.log",
  }),
  logLevel: choiceOption({
    name: "log-level",
    default: DEFAULT_LOG_LEVEL,
    choices: LOG_LEVELS,
    since: "2.0.0",
    reloadable: true,
    help: "log lines of this level and more important ones",
  }),
  logFormat: choiceOption({
    name: "log-format",
    default: DEFAULT_LOG_FORMAT,
    choices: LOG_FORMATS,
    since: "2.0.0",
    help: "log lines as text, in colour in a terminal, or as JSON",
  }),
};

/** Options of the server's sockets. */
export const serverOptions = {
  serverName: hostOption({
    name: "server-name",
    default: "",
    placeholder: "host",
    since: "0.9.8",
    help: "the name by which others reach this server; default: the host's full name",
  }),
  serverSocket: textOption({
    name: "server-socket",
    default: "",
    placeholder: "path",
    since: "1.0.9",
    help: "listen on this UNIX socket too",
  }),
  bind: hostOption({
    name: "bind",
    default: "0.0.0.0",
    placeholder: "address",
    since: "2.0.0",
    help: "the address to listen on",
  }),
  maxConnection: integerOption({
    name: "max-connection",
    default: 1024,
    min: 1,
    max: 1000000,
    since: "0.9.8",
    reloadable: true,
    help: "largest number of client connections",
  }),
  lineBytesMax: integerOption({
    name: "line-bytes-max",
    default: MIB,
    min: KIB,
    max: INT32_MAX,
    unit: "bytes",
    since: "2.0.0",
    help: "longest request line",
  }),
  requestMemoryBytesMax: integerOption({
    name: "request-memory-limit",
    default: 256,
    min: 1,
    max: 1 << 20,
    unit: "MiB",
    scale: MIB,
    since: "2.0.0",
    help: "memory for incomplete requests, all connections together",
  }),
  outputHighWaterBytes: integerOption({
    name: "output-high-water",
    default: 1024,
    min: 1,
    max: GIB / KIB,
    unit: "KiB",
    scale: KIB,
    since: "2.0.0",
    help: "unread replies above which a connection's requests wait",
  }),
};

/** `server-port`, whose default depends on the daemon. */
export function serverPortOption(port: number) {
  return portOption({
    name: "server-port",
    default: port,
    min: 0,
    since: "0.9.8",
    help: "the port to listen on; 0 is any free one",
  });
}

/** `back-log`; flarei takes the default. */
export const backLogOption = integerOption({
  name: "back-log",
  default: 1024,
  min: 1,
  max: UINT16_MAX,
  since: "1.0.9",
  help: "length of the kernel's queue of connections that are not accepted yet",
});

/** `data-dir`, the only option without a sensible default. */
export function dataDirOption(content: string) {
  return textOption({ name: "data-dir", default: "", placeholder: "path", since: "0.9.8", help: `directory of ${content}` });
}

/** `net-read-timeout`, whose default depends on the daemon (seconds). */
export function netReadTimeoutOption(seconds: number) {
  return integerOption({
    name: "net-read-timeout",
    default: seconds,
    min: 1,
    max: 2147483,
    unit: "s",
    scale: 1000,
    since: "1.0.9",
    reloadable: true,
    help: "idle timeout of connections",
  });
}
