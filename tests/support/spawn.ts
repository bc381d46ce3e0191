/**
 * Runs the programs of the command line, and other files, as processes, on the runtime the test runs on. They run from
 * their sources; under Node, which takes a second to read those, the programs run from the build while that is up to date.
 */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
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

  /** Writes to its stdin, which stays open. */
  type(input: string): void {
    this.#child.stdin.write(input);
  }

  /** Sends a signal. */
  kill(signal: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
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

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

export type RuntimeName = "node" | "deno" | "bun";
/** The runtime the test runs on. */
export const OWN_RUNTIME: RuntimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

/** The command that runs a file of this repository on the runtime the test runs on. */
export function commandFor(path: string): Command {
  return commandOf(OWN_RUNTIME, process.execPath, path);
}

/** That command, and the ones for the other runtimes that are here; Node's, Deno's and Bun's in this order. */
export function commandsFor(path: string): readonly Command[] {
  return programs().map(([runtime, program]) => commandOf(runtime, program, path));
}

/**
 * The command that runs a file on a runtime.
 * @param directory of other sources than this repository's @throws Error if the runtime is not here
 */
export function commandOn(runtime: RuntimeName, path: string, directory?: string): Command {
  const program = programs().find(([name]) => name === runtime)?.[1];
  if (program === undefined) throw new Error(`the runtime "${runtime}" is not here`);
  return directory === undefined ? commandOf(runtime, program, path) : sourceCommand(runtime, program, join(directory, path));
}

function commandOf(runtime: RuntimeName, program: string, path: string): Command {
  if (runtime !== "node") return sourceCommand(runtime, program, path);
  const built = path.replace(/^cli\/(\w+)\.ts$/, "dist/cli/$1.js");
  return built !== path && hasFreshBuild() ? [program, built] : sourceCommand(runtime, program, path);
}

function sourceCommand(runtime: RuntimeName, program: string, path: string): Command {
  if (runtime === "bun") return [program, path];
  return runtime === "deno" ? [program, "run", "--allow-all", path] : [program, "--import", "tsx", path];
}

let found: readonly (readonly [RuntimeName, string])[] | undefined;

/** The runtimes that are here: the one of the test, and those among the installed packages. */
function programs(): readonly (readonly [RuntimeName, string])[] {
  if (found !== undefined) return found;
  const installed = (name: string): string => join(repositoryRoot, "node_modules", ".bin", name);
  const candidates = { node: "node", deno: installed("deno"), bun: installed("bun"), [OWN_RUNTIME]: process.execPath };
  found = (["node", "deno", "bun"] as const)
    .map((name) => [name, candidates[name]] as const)
    .filter(([name, program]) => (name === OWN_RUNTIME ? true : name === "node" ? isNode(program) : existsSync(program)));
  return found;
}

/** Deno and Bun pose as `node` where there is none. */
function isNode(program: string): boolean {
  const { stdout } = spawnSync(program, ["-p", "typeof Bun + typeof Deno"], { encoding: "utf8" });
  return stdout?.trim() === "undefinedundefined";
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
      const sources = [
        "mod.ts",
        "testing.ts",
        "package.json",
        ...repositoryFiles("lib", ".ts"),
        ...repositoryFiles("cli", ".ts"),
      ];
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
