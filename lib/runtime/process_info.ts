/**
 * What the three adapters tell about the process and its machine. The name of the machine is looked up once, without
 * the network: what the kernel says, and if that has no domain, the canonical name the hosts file gives for it.
 */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import type { ProcessInfo } from "./runtime.ts";

export function createProcessInfo(): ProcessInfo {
  const hostName = qualify(hostname(), readHostsFile());
  return {
    pid: process.pid,
    hostName: () => hostName,
    cpuUsage() {
      const usage = process.cpuUsage();
      return { userUs: usage.user, systemUs: usage.system };
    },
    memoryBytes: () => process.memoryUsage.rss(),
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

function readHostsFile(): string {
  try {
    return readFileSync("/etc/hosts", "utf8");
  } catch {
    return ""; // A machine without one (or without the right to read it) has the kernel's name only.
  }
}
