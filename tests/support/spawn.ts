/**
 * Runs the programs of the command line, and other files, as processes, on the runtime the test runs on. They run from
 * their sources; under Node, which takes a second to read those, the programs run from the build while that is up to date.
 */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import process from "node:process";
import { repositoryFiles, repositoryRoot } from "./repository.ts";

/** What a program did, complete. */
export interface Finished {
  /** The exit status; undefined if a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const waitMsMax = 60_000;

/** A program that runs. */
export class SpawnedProgram {
  /** Resolves when it has ended. */
  readonly finished: Promise<Finished>;
  #child: ChildProcessWithoutNullStreams;
  #stdout = "";
  #stderr = "";
  #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("FLARE_"));
    this.#child = spawn(command, args, { cwd: repositoryRoot, env: { ...Object.fromEntries(inherited), ...environment } });
    this.#child.stdout.on("data", (chunk: Uint8Array) => {
      this.#stdout += new TextDecoder().decode(chunk);
      for (const watcher of this.#watchers) watcher();
    });
    this.#child.stderr.on("data", (chunk: Uint8Array) => {
      this.#stderr += new TextDecoder().decode(chunk);
      for (const watcher of this.#watchers) watcher();
    });
    this.finished = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (status) => {
        resolve({ status: status ?? undefined, stdout: this.#stdout, stderr: this.#stderr });
        for (const watcher of this.#watchers) watcher();
      });
    });
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has said so far, stdout before stderr. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Waits for a text on stdout or stderr; rejects if the program ends, or a minute passes, without it. */
  waitFor(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if ((this.#stdout + this.#stderr).includes(text)) settle(resolve);
        else if (this.#child.exitCode !== null || this.#child.signalCode !== null) giveUp("the program ended");
      };
      const giveUp = (reason: string): void => {
        settle(() => reject(new Error(`"${text}" did not come, ${reason}:\n${this.#stdout}${this.#stderr}`)));
      };
      const timer = setTimeout(() => giveUp("a minute passed"), waitMsMax);
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        then();
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Writes to its stdin and closes that. */
  feed(input: Uint8Array | string): void {
    this.#child.stdin.end(input);
  }

  /** Sends a signal. */
  kill(signal: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL"): void {
    // Not through the child: Deno would then report the signal as the end, whatever the program's exit status.
    process.kill(this.pid, signal);
  }
}

/** Starts a program of `cli/` by its name. */
export function startProgram(
  name: "flare" | "flared" | "flarei",
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  descriptorsMax?: number,
): SpawnedProgram {
  return startFile(`cli/${name}.ts`, args, environment, descriptorsMax);
}

/** Starts a file of this repository, given by its path in it; `descriptorsMax` files and sockets it may have open. */
export function startFile(
  path: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  descriptorsMax?: number,
): SpawnedProgram {
  const command = [...commandFor(path), ...args];
  // The hard limit, too: the runtimes raise the soft one up to it.
  if (descriptorsMax !== undefined) command.unshift("prlimit", `--nofile=${descriptorsMax}:${descriptorsMax}`);
  return new SpawnedProgram(command[0] as string, command.slice(1), environment);
}

/** The command that runs a file of this repository on the runtime the test runs on. */
export function commandFor(path: string): [command: string, ...args: string[]] {
  const built = path.replace(/^cli\/(\w+)\.ts$/, "dist/cli/$1.js");
  if (built !== path && !("Bun" in globalThis) && !("Deno" in globalThis) && hasFreshBuild()) return [process.execPath, built];
  const runtimeArgs = "Bun" in globalThis ? [] : "Deno" in globalThis ? ["run", "--allow-all"] : ["--import", "tsx"];
  return [process.execPath, ...runtimeArgs, path];
}

let freshBuild: boolean | undefined;

/** Whether no source is newer than the build. */
function hasFreshBuild(): boolean {
  // A run that counts calls wants to count those of the sources.
  freshBuild ??=
    process.env.NODE_V8_COVERAGE === undefined &&
    ((): boolean => {
      const changedMs = (path: string): number => statSync(repositoryRoot + path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      const builtMs = Math.min(...["flare", "flared", "flarei"].map((name) => changedMs(`dist/cli/${name}.js`)));
      const sources = ["mod.ts", "package.json", ...repositoryFiles("lib", ".ts"), ...repositoryFiles("cli", ".ts")];
      return sources.every((path) => changedMs(path) < builtMs);
    })();
  return freshBuild;
}

/** Runs a program of `cli/` to its end; `input` is all its stdin has. */
export function runProgram(
  name: "flare" | "flared" | "flarei",
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input?: Uint8Array | string,
): Promise<Finished> {
  const program = startProgram(name, args, environment);
  if (input !== undefined) program.feed(input);
  return program.finished;
}
