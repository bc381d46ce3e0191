/**
 * Programs of other projects that the tests run: memcached's and libmemcached's.
 */

import { spawn, spawnSync } from "node:child_process";
import type { Finished } from "./spawn.ts";

const TIMEOUT_MS = 50000;

/** Whether a program can be run. */
export function isInstalled(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

/** Runs a program to its end, with an end if it takes too long. */
export function runTool(name: string, args: readonly string[], directory?: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(directory === undefined ? {} : { cwd: directory }),
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("latin1").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? undefined, stdout, stderr });
    });
  });
}
