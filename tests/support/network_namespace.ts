/**
 * A network of its own for servers in processes, on one machine: each server has a loopback address, packets of an address
 * can be dropped, and names are asked of a DNS server in there. What is inside is reached from outside by UNIX sockets.
 * It takes Linux, root, `ip` and `iptables`.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { commandFor, SpawnedProgram } from "./spawn.ts";

/** Whether this machine can have such a network. */
export function hasNamespaces(): boolean {
  const name = `flare-probe-${process.pid}`;
  const works = run("ip", ["netns", "add", name]) && inside(name, ["iptables", "-w", "-L"]);
  run("ip", ["netns", "delete", name]);
  return works;
}

/** Where a name is, and how long the DNS server takes to say so; without an address it has none. */
export interface NameRecord {
  readonly address?: string;
  readonly delayMs?: number;
}

let count = 0;

export class NetworkNamespace {
  readonly #name: string;
  readonly #directory: string;
  readonly #programs: SpawnedProgram[] = [];
  #hasNames = false;

  /** @param directory for the files of this network */
  constructor(directory: string) {
    this.#name = `flare-${process.pid}-${++count}`;
    this.#directory = directory;
    must("ip", ["netns", "add", this.#name]);
    must("ip", ["-n", this.#name, "link", "set", "lo", "up"]);
  }

  /** Starts a file of this repository inside, on the runtime of the test. */
  start(path: string, args: readonly string[]): SpawnedProgram {
    // `ip` becomes the program: a signal reaches it.
    const program = new SpawnedProgram("ip", ["netns", "exec", this.#name, ...commandFor(path), ...args], {});
    this.#programs.push(program);
    return program;
  }

  /** From now on the DNS server answers as `records` say, which is the whole truth about names. */
  async setNames(records: Readonly<Record<string, NameRecord>>): Promise<void> {
    const file = join(this.#directory, "names.json");
    writeFileSync(file, JSON.stringify(records));
    if (this.#hasNames) return;
    this.#hasNames = true;
    // `ip netns exec` puts these in the place of the machine's own.
    mkdirSync(this.#files, { recursive: true });
    writeFileSync(join(this.#files, "resolv.conf"), "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
    writeFileSync(join(this.#files, "hosts"), "127.0.0.1 localhost\n");
    await this.start("tests/support/programs/dns_server.ts", [file]).waitFor("ready");
  }

  /** Drops everything to and from an address, silently. */
  drop(address: string): void {
    for (const direction of ["-s", "-d"]) this.#iptables(["-A", "INPUT", direction, address, "-j", "DROP"]);
  }

  /** Ends all drops. */
  mend(): void {
    this.#iptables(["-F", "INPUT"]);
  }

  /** Ends everything inside. */
  async clear(): Promise<void> {
    for (const program of this.#programs) {
      try {
        program.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await Promise.all(this.#programs.map(({ finished }) => finished));
    run("ip", ["netns", "delete", this.#name]);
    rmSync(this.#files, { recursive: true, force: true });
  }

  get #files(): string {
    return `/etc/netns/${this.#name}`;
  }

  #iptables(args: readonly string[]): void {
    if (!inside(this.#name, ["iptables", "-w", ...args])) throw new Error(`iptables ${args.join(" ")} failed`);
  }
}

function inside(name: string, command: readonly string[]): boolean {
  return run("ip", ["netns", "exec", name, ...command]);
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
