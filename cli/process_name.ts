/**
 * The name of a process as `pgrep -x`, `ps -C` and `start-stop-daemon --name` look for it. Bun takes no title; on Linux
 * the kernel takes the name from a file there.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";

export function nameProcess(name: string): void {
  process.title = name;
  if (process.platform !== "linux" || !("Bun" in globalThis)) return;
  try {
    writeFileSync("/proc/self/comm", name);
  } catch {
    // It keeps the name of its runtime: nothing depends on it here.
  }
}
