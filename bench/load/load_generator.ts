/**
 * The load generator: `loadgen.c` beside this file, built with the machine's C compiler into a temporary directory, run
 * with the arguments of one measurement, its answer read. Knows nothing of the servers it is pointed at but their port
 * and process ids.
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What a measurement asks for. */
export interface Load {
  /** Requests outstanding on each connection. */
  readonly depth: number;
  /** Keys of one get. */
  readonly keysPerGet: number;
  /** Share of gets, 0 … 100; the others are sets. */
  readonly getPercent: number;
  /** Default text. */
  readonly protocol?: "text" | "meta" | "binary";
  /** The flags of a meta get, default `v`. */
  readonly metaFlags?: string;
  /** A word behind the header of a set, such as `sync`. */
  readonly setWord?: string;
}

/** Whom it is pointed at. */
export interface Target {
  readonly port: number;
  /** All processes that work for a request. */
  readonly pids: readonly number[];
  readonly speaksRedis?: boolean;
}

/** What one measurement found. */
export interface Measurement {
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of the target's processes for one request, in microseconds. */
  readonly serverCpuUs: number;
  /** The part of a CPU that all other processes of the machine used meanwhile, 1 = one whole CPU. */
  readonly othersCpu: number;
}

const CONNECTIONS = 50;
const VALUE_BYTES = 100;
const KEYS = 100000;
const WARM_UP_SECONDS = 0.3;

export class LoadGenerator {
  readonly #directory: string;
  readonly #program: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#program = join(directory, "loadgen");
  }

  /** Compiles it. @throws Error when there is no C compiler */
  static build(): LoadGenerator {
    const generator = new LoadGenerator(mkdtempSync(join(tmpdir(), "flare-loadgen-")));
    const source = fileURLToPath(new URL("loadgen.c", import.meta.url));
    const { error, status, stderr } = spawnSync("cc", ["-O2", "-o", generator.#program, source], { encoding: "utf8" });
    if (status === 0) return generator;
    generator.remove();
    throw new Error(error === undefined ? `loadgen.c does not compile: ${stderr}` : `no C compiler: "cc" cannot be run`);
  }

  /** Stores every key once. */
  async fill(target: Target): Promise<void> {
    await this.#run(target, { depth: 16, keysPerGet: 1, getPercent: 0 }, 0.1, []);
  }

  /** Measures for some seconds. @throws Error when a reply was wrong */
  measure(target: Target, load: Load, seconds: number): Promise<Measurement> {
    return this.#run(target, load, seconds, ["-N"]);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #run(target: Target, load: Load, seconds: number, more: readonly string[]): Promise<Measurement> {
    const args = [
      ...["-j", "-p", String(target.port), "-S", target.pids.join(","), "-c", String(CONNECTIONS), "-k", String(KEYS)],
      ...["-s", String(VALUE_BYTES), "-d", String(seconds), "-w", String(WARM_UP_SECONDS)],
      ...["-P", String(load.depth), "-m", String(load.keysPerGet), "-g", String(load.getPercent)],
      ...(load.setWord === undefined ? [] : ["-o", load.setWord]),
      ...["-x", load.protocol ?? "text", "-f", load.metaFlags ?? "v"],
      ...(target.speaksRedis === true ? ["-R"] : []),
      ...more,
    ];
    const child = spawn(this.#program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    if (status !== 0) throw new Error(`loadgen ${args.join(" ")} ended with status ${status}: ${output}`);
    const found = JSON.parse(output) as Record<string, number>;
    const number = (name: string): number => found[name] ?? Number.NaN;
    return {
      requestsPerSecond: number("rps"),
      p50Us: number("p50_us"),
      p99Us: number("p99_us"),
      serverCpuUs: number("srv_cpu_per_1e6"),
      othersCpu: number("others"),
    };
  }
}
