/**
 * The servers that are measured, each a process of its own with its data in a temporary directory: Flare from its build
 * under Node, Bun and Deno, and what stands beside it, memcached and redis, as far as they are installed.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as openSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const READY_MS = 20000;
const POLL_MS = 20;

/** The runtimes that can run the build. */
export type RuntimeName = "node" | "bun" | "deno";

/** How a runtime is started; undefined when it is not installed. */
export function runtimeCommand(name: RuntimeName): readonly string[] | undefined {
  const local = join(root, "node_modules/.bin", name);
  const program = existsSync(local) ? local : name;
  if (spawnSync(program, ["--version"]).status !== 0) return undefined;
  return name === "deno" ? [program, "run", "--allow-all"] : [program];
}

/** A server that runs. */
export class ServerProcess {
  readonly port: number;
  readonly directory: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number, directory: string) {
    this.#child = child;
    this.port = port;
    this.directory = directory;
  }

  /**
   * Starts a program; resolves when its port takes connections.
   * @param command makes the command line from the port to listen on and the directory to keep data in
   */
  static async start(command: (port: number, directory: string) => readonly string[]): Promise<ServerProcess> {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), "flare-bench-"));
    const [program = "", ...args] = command(port, directory);
    const child = spawn(program, args, { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
    const server = new ServerProcess(child, port, directory);
    await server.#ready(program);
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends lines and gives what came back until the server closes. */
  async ask(...lines: readonly string[]): Promise<string> {
    return exchange(this.port, `${[...lines, "quit"].join("\r\n")}\r\n`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #ready(program: string): Promise<void> {
    const deadline = performance.now() + READY_MS;
    // A node that has not joined yet takes connections and closes them: an answer is what counts.
    while ((await exchange(this.port, "get ready\r\n").catch(() => "")) === "") {
      if (this.#child.exitCode !== null || performance.now() > deadline) {
        await this.stop();
        throw new Error(`${program} did not become ready`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** A whole Flare with one node in one process; resolves when it takes writes. */
export async function startFlare(runtime: readonly string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start((port, directory) => [
    ...[...runtime, join(root, "dist/cli/flare.js"), "up", "--data-dir", directory],
    ...["--port", String(port), "--index-port", "0", "--http-port", "0"],
  ]);
  const deadline = performance.now() + READY_MS;
  while (!(await server.ask("delete ready")).startsWith("NOT_FOUND")) {
    if (performance.now() > deadline) {
      await server.stop();
      throw new Error("a node alone did not become a master");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return server;
}

/** A `flared` or `flarei` under Node. */
export function startDaemon(name: "flared" | "flarei", ...args: readonly string[]): Promise<ServerProcess> {
  const node = runtimeCommand("node") ?? ["node"];
  return ServerProcess.start((port, directory) => [
    ...[...node, join(root, `dist/cli/${name}.js`), "--data-dir", directory, "--log-level", "warning"],
    ...["--bind", "127.0.0.1", "--server-name", "127.0.0.1", "--server-port", String(port), ...args],
  ]);
}

/** memcached with one thread; undefined when it is not installed. */
export async function startMemcached(): Promise<ServerProcess | undefined> {
  if (spawnSync("memcached", ["-h"]).status !== 0) return undefined;
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  return ServerProcess.start((port) => [
    "memcached",
    "-t",
    "1",
    "-m",
    "1024",
    "-l",
    "127.0.0.1",
    "-p",
    String(port),
    "-U",
    "0",
    ...user,
  ]);
}

/** redis with its append-only file; undefined when it is not installed. */
export async function startRedis(): Promise<ServerProcess | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  return ServerProcess.start((port, directory) => [
    ...["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "everysec"],
  ]);
}

/** A port that nobody uses at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Sends text and gives what came back until the end, or the first of it when the server keeps the connection. */
function exchange(port: number, text: string): Promise<string> {
  const isLast = text.endsWith("quit\r\n");
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = openSocket(port, "127.0.0.1", () => socket.write(text));
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      received += chunk;
      if (!isLast) socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
}
