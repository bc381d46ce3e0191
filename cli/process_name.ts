/**
 * The process name for `pgrep -x`, `ps -C` and `start-stop-daemon --name`. Bun cannot set it; on Linux writing a file of the
 * kernel does.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";

export function nameProcess(name: string): void {
  process.title = name;
  if (process.platform !== "linux" || !("Bun" in globalThis)) return;
  try {
    writeFileSync("/proc/self/comm", name);
  } catch {
    // The process keeps the name of its runtime, which is harmless.
  }
}
