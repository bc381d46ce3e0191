/**
 * Information of the three adapters about the process and its machine. The machine's name is determined once, without the
 * network: the kernel's host name, and if that has no domain, its canonical name in the hosts file.
 */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import type { ProcessInfo } from "../runtime.ts";

export function createProcessInfo(): ProcessInfo {
  const hostName = qualify(hostname(), readSystemFile("/etc/hosts"));
  return {
    pid: process.pid,
    hostName: () => hostName,
    cpuUsage() {
      const usage = process.cpuUsage();
      return { userUs: usage.user, systemUs: usage.system };
    },
    memoryBytes: () => process.memoryUsage.rss(),
    descriptorsMax: () => softLimit(readSystemFile("/proc/self/limits")),
  };
}

/** The fully qualified form of `name` in the text of a hosts file; `name` itself if there is none. */
export function qualify(name: string, hostsFile: string): string {
  if (name.includes(".")) return name;
  for (const line of hostsFile.split("\n")) {
    const names = (line.split("#", 1)[0] as string).trim().split(/\s+/).slice(1);
    if (!names.includes(name)) continue;
    const qualified = names.find((candidate) => candidate.startsWith(`${name}.`));
    if (qualified !== undefined) return qualified;
  }
  return name;
}

/** The limit of open files in the text of `/proc/self/limits`. The runtimes raise it to the hard limit when they start. */
export function softLimit(limits: string): number | undefined {
  const digits = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Empty if the file does not exist or may not be read. */
function readSystemFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
