/**
 * The programs of one cluster, flarei and flareds, at consecutive, fixed addresses, each under another of the installed
 * runtimes. Their data is on disk. The users configure them: `ProcessDriver` (a plain cluster) and `SecureCluster` (TLS).
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { HOST } from "./daemon.ts";
import { freePorts } from "./free_ports.ts";
import { commandOn, commandsFor, OWN_RUNTIME, SpawnedProgram } from "./spawn.ts";

/** The number of the index server; nodes are numbered from 1. */
export const INDEX = 0;

export class ProcessCluster {
  readonly firstPort: number;
  /** All that were started, in that order. */
  readonly programs: SpawnedProgram[] = [];
  /** Where the programs are that are started from now on, if not here: another release, on the runtime of the test. */
  sources: string | undefined;
  /** By number; what has ended is not there. */
  readonly #running = new Map<number, SpawnedProgram>();
  readonly #directory: string;

  private constructor(directory: string, firstPort: number) {
    this.#directory = directory;
    this.firstPort = firstPort;
  }

  /** Finds `ports` ports in a row, the first for the index server; nothing runs yet. */
  static async prepare(directory: string, ports: number): Promise<ProcessCluster> {
    return new ProcessCluster(directory, await freePorts(ports));
  }

  /** Where the server with this number listens. */
  address(number: number): { readonly host: string; readonly port: number } {
    return { host: HOST, port: this.firstPort + number };
  }

  /** `host:port` of a server. */
  key(number: number): string {
    return `${HOST}:${this.firstPort + number}`;
  }

  /** Starts a server, again with its data if it has ended, and waits until it is ready. */
  async start(number: number, args: readonly string[]): Promise<SpawnedProgram> {
    const name = number === INDEX ? "flarei" : "flared";
    const commands =
      this.sources === undefined ? commandsFor(`cli/${name}.ts`) : [commandOn(OWN_RUNTIME, `cli/${name}.ts`, this.sources)];
    const [command, ...first] = commands[number % commands.length] as readonly [string, ...string[]];
    const dataDir = join(this.#directory, `${name}-${number}`);
    mkdirSync(dataDir, { recursive: true });
    const where = ["--data-dir", dataDir, "--bind", HOST, "--server-name", HOST];
    const port = ["--server-port", String(this.firstPort + number)];
    const program = new SpawnedProgram(command, [...first, ...where, ...port, ...args], {});
    this.programs.push(program);
    this.#running.set(number, program);
    await program.waitFor("ready on");
    return program;
  }

  /** Ends a server and waits for its end. @throws Error when it does not end in order although it was asked to */
  async end(number: number, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const program = this.#running.get(number);
    if (program === undefined) throw new Error(`"${this.key(number)}" does not run`);
    program.kill(signal);
    const { status, stderr } = await program.finished;
    this.#running.delete(number);
    if (signal === "SIGTERM" && status !== 0) throw new Error(`"${this.key(number)}" ended with ${status}:\n${stderr}`);
  }

  /** Sends a signal to a server that goes on running. */
  signal(number: number, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#running.get(number)?.kill(signal);
  }

  /** Kills what still runs. */
  async clear(): Promise<void> {
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const program of running) {
      try {
        program.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    await Promise.all(running.map(({ finished }) => finished));
  }
}
