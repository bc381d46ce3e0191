/**
 * Debian's memcached, started for a test.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { freePorts } from "./free_ports.ts";
import { TextClient } from "./text_client.ts";

export class Memcached {
  readonly address: Address;
  readonly #process: ChildProcess;

  private constructor(address: Address, process: ChildProcess) {
    this.address = address;
    this.#process = process;
  }

  /** Resolves when it takes connections. */
  static async start(runtime: Runtime, ...args: readonly string[]): Promise<Memcached> {
    const port = await freePorts(1);
    const address = { host: "127.0.0.1", port };
    const all = ["-u", "nobody", "-l", "127.0.0.1", "-p", String(port), "-U", "0", ...args];
    const server = new Memcached(address, spawn("memcached", all, { stdio: "ignore" }));
    for (;;) {
      const client = await TextClient.connect(runtime, address).catch(() => undefined);
      client?.close();
      if (client !== undefined) return server;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  stop(): void {
    this.#process.kill();
  }
}
