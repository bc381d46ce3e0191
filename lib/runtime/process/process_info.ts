/**
 * What the three adapters tell about the process and its machine. The name of the machine is looked up once, without
 * the network: what the kernel says, and if that has no domain, the canonical name the hosts file gives for it.
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

/** The fully qualified form of `name` as the text of a hosts file knows it; `name` itself if it does not. */
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

/** The limit of open files in the text of `/proc/self/limits`. The runtimes have raised it to the hard one when they start. */
export function softLimit(limits: string): number | undefined {
  const digits = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Empty on a machine without such a file, or without the right to read it. */
function readSystemFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
