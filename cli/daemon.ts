/**
 * The common parts of flared and flarei as programs: arguments to settings, `--print-config`, `--daemonize`, the pid file,
 * SIGHUP and shutdown. The servers themselves come from the library.
 */

import { join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { FlareError } from "../lib/base/errors.ts";
import { formatHostPort } from "../lib/base/host_port.ts";
import type { OptionTable, OptionValues } from "../lib/base/option_schema.ts";
import type { Settings } from "../lib/base/settings.ts";
import { optionsWithoutEffect, printConfig, reloadSettings } from "../lib/base/settings.ts";
import type { AccessOptions } from "../lib/net/auth/access_options.ts";
import { exposureWarning } from "../lib/net/auth/exposure.ts";
import type { processOptions } from "../lib/net/daemon_options.ts";
import type { TlsOptions } from "../lib/net/tls/tls_options.ts";
import type { Address, Runtime } from "../lib/runtime/runtime.ts";
import { detectRuntime } from "../mod.ts";
import { startInBackground } from "./background.ts";
import { addOptions, createCommand, expandAbbreviations, givenFlags, readSettings } from "./command_line.ts";
import { addExamples } from "./examples.ts";
import { handleSignals } from "./main.ts";
import { removePidFile, writePidFile } from "./pid_file.ts";
import { nameProcess } from "./process_name.ts";
import { notifyServiceManager } from "./service_manager.ts";

/** A started server of the library. */
export interface RunningServer<Options> {
  /** The addresses it listens on. */
  readonly addresses: readonly Address[];
  /** Applies the reloadable settings. */
  reload(options: Options): void | Promise<void>;
  stop(): Promise<void>;
}

type DaemonOptions = OptionValues<typeof processOptions> & AccessOptions & TlsOptions & { readonly dataDir: string };

/** A daemon: its name, its options and how to start it. */
export interface Daemon<Table extends OptionTable, Options extends DaemonOptions> {
  readonly name: string;
  readonly description: string;
  readonly table: Table;
  /** @throws FlareError INVALID_OPTION */
  complete(values: OptionValues<Table>): Options;
  /** @throws FlareError */
  start(runtime: Runtime, options: Options): Promise<RunningServer<Options>>;
}

/** The command line of a daemon. */
export function daemonCommand({
  name,
  description,
  table,
}: {
  name: string;
  description: string;
  table: OptionTable;
}): Command {
  const command = createCommand(name, description);
  addOptions(command, table);
  command.option("--print-config", "print the settings as a config file, with the origin of each, and exit");
  return addExamples(command);
}

/** Runs a daemon until a signal ends it. @throws FlareError | CommanderError */
export async function runDaemon<Table extends OptionTable, Options extends DaemonOptions>(
  daemon: Daemon<Table, Options>,
  args: readonly string[],
): Promise<void> {
  const { name, table } = daemon;
  const command = daemonCommand(daemon);
  command.parse(expandAbbreviations(args, command), { from: "user" });
  const flags = givenFlags(command, table);
  const settings = readSettings(table, flags);
  if (command.getOptionValue("printConfig") === true) {
    process.stdout.write(printConfig(table, settings));
    return;
  }

  const options = daemon.complete(settings.values);
  const pidPath = options.pidPath || (options.dataDir === "" ? "" : join(options.dataDir, `${name}.pid`));
  if (options.daemonize) {
    if (pidPath === "") throw new FlareError("INVALID_OPTION", 'option "daemonize": "true" needs "pid" or "data-dir"');
    const logPath = options.logFile || (options.dataDir === "" ? undefined : join(options.dataDir, `${name}.log`));
    const pid = await startInBackground({ args, pidPath, logPath });
    process.stdout.write(`${name}: ready in the background, pid ${pid}\n`);
    return;
  }
  await runForeground(daemon, { flags, settings, options, pidPath });
}

interface Foreground<Table extends OptionTable, Options> {
  readonly flags: Readonly<Record<string, string>>;
  readonly settings: Settings<Table>;
  readonly options: Options;
  readonly pidPath: string;
}

async function runForeground<Table extends OptionTable, Options extends DaemonOptions>(
  daemon: Daemon<Table, Options>,
  { flags, settings, options, pidPath }: Foreground<Table, Options>,
): Promise<void> {
  const { name, table } = daemon;
  const { logLevel, logFormat, logFile } = options;
  const runtime = detectRuntime({ programName: name, logLevel, logFormat, ...(logFile === "" ? {} : { logPath: logFile }) });
  nameProcess(name);
  const idle = optionsWithoutEffect(table, settings);
  if (idle.length > 0) runtime.log.write("notice", `accepted without effect: ${idle.join(", ")}`);

  const starting = daemon.start(runtime, options);
  let current = settings;
  let hasStarted = false;
  handleSignals(name, {
    async stop() {
      // Nobody waits for a server that is not serving yet, and its files survive a sudden end.
      if (!hasStarted) return runtime.log.write("notice", "stopped before it was ready");
      runtime.log.write("notice", "stopping");
      void notifyServiceManager(runtime.log, "STOPPING=1");
      await (await starting).stop();
      removePidFile(pidPath);
      runtime.log.write("notice", "stopped");
    },
    async reload() {
      const server = await starting;
      try {
        runtime.log.reopen?.();
        const { settings: next, needRestart } = reloadSettings(table, current, readSettings(table, flags, { before: current }));
        const applied = daemon.complete(next.values);
        await server.reload(applied);
        runtime.log.setLevel?.(applied.logLevel);
        current = next;
        const later = needRestart.length === 0 ? "" : `; these need a restart: ${needRestart.join(", ")}`;
        runtime.log.write("notice", `settings reloaded${later}`);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        runtime.log.write("warning", `settings not reloaded, nothing changed: ${error.message}`);
      }
    },
  });

  const server = await starting;
  hasStarted = true;
  if (pidPath !== "") writePidFile(pidPath);
  const addresses = server.addresses.map((address) =>
    "path" in address ? address.path : formatHostPort(address.host, address.port),
  );
  const warning = exposureWarning(server.addresses, options);
  if (warning !== undefined) runtime.log.write("warning", warning);
  runtime.log.write("notice", `ready on ${addresses.join(", ")}, pid ${process.pid}`);
  await notifyServiceManager(runtime.log, "READY=1", `STATUS=ready on ${addresses.join(", ")}`);
}
