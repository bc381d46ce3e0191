/**
 * One server of a chaos run: a program on a host of the network with a disk of its own, which a service manager starts again
 * when it ends by itself. Knows nothing of the cluster.
 */

import { appendFileSync } from "node:fs";
import type { LoopDisk } from "../support/loop_disk.ts";
import { type Command, SpawnedProgram } from "../support/spawn.ts";

/** A pause before the service manager starts a program again. */
const RESTART_MS = 1000;
/** A program may take this long to be ready, including its restarts. */
const READY_MS_MAX = 90_000;
const POLL_MS = 20;
/** A program that was asked to stop has this long. */
const STOP_MS_MAX = 30_000;

/** What a server is made of. */
export interface ServerParts {
  readonly name: string;
  /** Its number in the network. */
  readonly number: number;
  /** Its name in the cluster: an address. */
  readonly address: string;
  readonly disk: LoopDisk;
  readonly command: Command;
  /** Gets what the program prints. */
  readonly logFile: string;
  note(what: string): void;
}

export class ChaosServer {
  readonly name: string;
  readonly number: number;
  readonly host: { readonly name: string };
  readonly disk: LoopDisk;
  /** Faults that it suffers from now. */
  troubles = 0;
  /** Its process or its disk suffers from a fault: there is one at a time. */
  isStruck = false;
  /** How often it ended although nobody wanted that. */
  ends = 0;
  readonly #parts: ServerParts;
  #program: SpawnedProgram | undefined;
  #wanted = false;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.number = parts.number;
    this.host = { name: parts.address };
    this.disk = parts.disk;
  }

  /** Starts it, and again whenever it ends by itself; resolves when it is ready. @throws Error if that takes too long */
  async start(): Promise<void> {
    this.#wanted = true;
    this.#launch();
    for (const startMs = performance.now(); this.#program?.output.includes("ready on") !== true; ) {
      if (performance.now() - startMs > READY_MS_MAX) throw new Error(`not ready: ${this.#program?.output}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async kill(): Promise<void> {
    this.#wanted = false;
    const program = this.#program;
    program?.kill("SIGKILL");
    await program?.finished;
  }

  /** Ends it as a service manager does, by force if that takes too long. */
  async stop(): Promise<void> {
    this.#wanted = false;
    const program = this.#program;
    if (program === undefined) return;
    program.kill("SIGTERM");
    const timer = setTimeout(() => {
      this.#parts.note(`${this.name} did not stop within ${STOP_MS_MAX} ms and is killed`);
      program.kill("SIGKILL");
    }, STOP_MS_MAX);
    await program.finished;
    clearTimeout(timer);
  }

  pause(): void {
    this.#program?.kill("SIGSTOP");
  }

  resume(): void {
    this.#program?.kill("SIGCONT");
  }

  #launch(): void {
    const { command, logFile } = this.#parts;
    const [file, ...args] = command;
    const program = new SpawnedProgram(file, args, {});
    this.#program = program;
    void program.finished.then(({ status, stdout, stderr }) => {
      appendFileSync(logFile, `${stdout}${stderr}--- ended with ${status ?? "a signal"}\n`);
      if (this.#program === program) this.#program = undefined;
      if (!this.#wanted) return;
      this.ends++;
      this.#parts.note(`${this.name} ended by itself with ${status}: ${stderr.trimEnd().split("\n").at(-1)}`);
      setTimeout(() => {
        if (this.#wanted && this.#program === undefined) this.#launch();
      }, RESTART_MS);
    });
  }
}
