/**
 * Ports for servers that are stopped and started again at the same address. They lie below the range from which the
 * system takes the ports of outgoing connections, so that nobody takes them meanwhile.
 */

import { createServer } from "node:net";

const LOWEST = 20000;
const HIGHEST = 26000; // where those of a local cluster begin

/** The first of `count` ports in a row that nobody uses. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    let free = true;
    for (let port = first; free && port < first + count; port++) free = await isFree(port);
    if (free) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
