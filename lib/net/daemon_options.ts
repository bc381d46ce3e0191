/**
 * The options both daemons have, with the same names, limits and defaults. Each daemon's table spreads these and
 * gives the ones whose default differs (the port, the directory's content) itself.
 */

import { LOG_LEVELS } from "../base/log_levels.ts";
import {
  booleanOption,
  choiceOption,
  hostOption,
  int32Max,
  integerOption,
  portOption,
  textOption,
} from "../base/option_schema.ts";

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
    help: "pid file; in the data directory unless given",
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
    help: "append the log to this file, opened again on SIGHUP; default: stderr, in the background <data-dir>/<program>.log",
  }),
  logLevel: choiceOption({
    name: "log-level",
    default: "notice",
    choices: LOG_LEVELS,
    since: "2.0.0",
    help: "the least important lines that are logged",
  }),
};

/** Options of the server's sockets. */
export const serverOptions = {
  serverName: hostOption({
    name: "server-name",
    default: "",
    placeholder: "host",
    since: "0.9.8",
    help: "the name others reach this server by; the host's full name unless given",
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
    help: "client connections at the same time",
  }),
  lineBytesMax: integerOption({
    name: "line-bytes-max",
    default: 1048576,
    min: 1024,
    max: int32Max,
    unit: "bytes",
    since: "2.0.0",
    help: "longest request line",
  }),
  requestMemoryBytesMax: integerOption({
    name: "request-memory-limit",
    default: 256,
    min: 1,
    max: 1048576,
    unit: "MiB",
    scale: 1048576,
    since: "2.0.0",
    help: "memory for requests that have not arrived completely, all connections together",
  }),
  outputHighWaterBytes: integerOption({
    name: "output-high-water",
    default: 1024,
    min: 1,
    max: 1048576,
    unit: "KiB",
    scale: 1024,
    since: "2.0.0",
    help: "replies a connection may have waiting before its requests are no longer read",
  }),
};

/** `server-port`, whose default is each daemon's own. */
export function serverPortOption(port: number) {
  return portOption({
    name: "server-port",
    default: port,
    min: 0,
    since: "0.9.8",
    help: "the port to listen on; 0 takes any free one",
  });
}

/** `back-log`; flarei takes the default. */
export const backLogOption = integerOption({
  name: "back-log",
  default: 1024,
  min: 1,
  max: 65535,
  since: "1.0.9",
  help: "connections the kernel keeps that were not yet accepted",
});

/** `data-dir`, the one option without a sensible default. */
export function dataDirOption(content: string) {
  return textOption({ name: "data-dir", default: "", placeholder: "path", since: "0.9.8", help: `directory of ${content}` });
}

/** `net-read-timeout`, whose default is each daemon's own (seconds). */
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
    help: "how long a connection may be silent",
  });
}
