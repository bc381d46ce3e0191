/**
 * `--daemonize`: the program starts itself again, detached from the terminal, with its output in a log file, and waits until
 * the child is ready (its pid file exists) or has failed (with a message).
 */

import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { devNull } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";
import { readPidFile } from "./pid_file.ts";

const pollMs = 50;

/** How to start the child. */
export interface BackgroundOptions {
  /** The arguments of this program, without the runtime and the script. */
  readonly args: readonly string[];
  /** The child writes it when it is ready. */
  readonly pidPath: string;
  /** The file for its log and other output; undefined = none. */
  readonly logPath: string | undefined;
}

/**
 * Starts this program again in the background; resolves to the child's pid when it is ready.
 * @throws FlareError REFUSED with the child's output, if it exits before that
 */
export async function startInBackground(options: BackgroundOptions): Promise<number> {
  const { logPath = devNull } = options;
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, "a");
  const logStart = fstatSync(log).size;
  const script = process.argv[1] ?? "";
  const runtimeArgs = "Deno" in globalThis ? ["run", "--allow-all"] : process.execArgv;
  const logArgs = options.logPath === undefined ? [] : [`--log-file=${options.logPath}`];
  const child = spawn(process.execPath, [...runtimeArgs, script, ...options.args, "--daemonize=false", ...logArgs], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let ended: string | undefined;
  child.on("error", (error) => {
    ended = error.message;
  });
  child.on("exit", (status, signal) => {
    ended = `status ${status ?? signal}`;
  });
  while (readPidFile(options.pidPath) !== child.pid || child.pid === undefined) {
    if (ended !== undefined) {
      const said = logPath === devNull ? "" : readFileSync(logPath).subarray(logStart).toString("utf8").trim();
      throw new FlareError("REFUSED", `could not start in the background (${ended})${said === "" ? "" : `: ${said}`}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  child.unref();
  return child.pid;
}
