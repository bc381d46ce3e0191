/**
 * Ports for servers that are stopped and started again at the same address. They lie below the range from which the
 * system takes the ports of outgoing connections, so that nobody takes them meanwhile, and belong to this process until
 * it ends: a file for each port keeps other tests on the machine away. What a process leaves behind that is gone does not
 * count.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const LOWEST = 20000;
const HIGHEST = 26000; // where those of a local cluster begin
const DIRECTORY = join(tmpdir(), "flare-test-ports");

const reserved = new Set<string>();

/** The first of `count` ports in a row that nobody uses. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    let free = true;
    for (let port = first; free && port < first + count; port++) free = reserve(port) && (await isFree(port));
    if (free) return first;
  }
}

/** Whether the port is this process's from now on. */
function reserve(port: number): boolean {
  if (reserved.size === 0) {
    mkdirSync(DIRECTORY, { recursive: true });
    process.on("exit", () => {
      for (const path of reserved) rmSync(path, { force: true });
    });
  }
  const path = join(DIRECTORY, String(port));
  if (reserved.has(path)) return false;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      reserved.add(path);
      return true;
    } catch {
      if (isHeld(path)) return false;
      rmSync(path, { force: true });
    }
  }
}

/** Whether the process lives that has reserved a port. */
function isHeld(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // Between the creation of a file and its content there is a moment.
    return pid === 0 || process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
