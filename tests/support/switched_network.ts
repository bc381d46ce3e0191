/**
 * A network of several hosts on one machine: each host is a network namespace with an address of its own, all are connected to
 * one switch. Packets from one host to another can be dropped, lost at random, or answered by a reset. It takes Linux, root,
 * `ip`, `nsenter` and `iptables`.
 */

import process from "node:process";
import type { Command } from "./spawn.ts";
import { systemCommand } from "./system_command.ts";

/** Ends what was done to the network. */
export type Undo = () => Promise<void>;

let count = 0;

export class SwitchedNetwork {
  readonly #name = `flare-${process.pid}-net${++count}`;
  readonly #namespaces: string[] = [];

  private constructor() {}

  static async create(): Promise<SwitchedNetwork> {
    const network = new SwitchedNetwork();
    await network.#addNamespace(network.#switch);
    await ip(network.#switch, "link", "add", "switch0", "type", "bridge");
    await ip(network.#switch, "link", "set", "switch0", "up");
    return network;
  }

  /** The address of a host, 1 … 254. */
  address(host: number): string {
    return `10.99.0.${host}`;
  }

  async addHost(host: number): Promise<void> {
    const namespace = this.#host(host);
    await this.#addNamespace(namespace);
    await ip(namespace, "link", "add", "eth0", "type", "veth", "peer", "name", `port${host}`, "netns", this.#switch);
    await ip(namespace, "address", "add", `${this.address(host)}/24`, "dev", "eth0");
    await ip(namespace, "link", "set", "eth0", "up");
    await ip(this.#switch, "link", "set", `port${host}`, "master", "switch0", "up");
  }

  /**
   * The command that runs another one on a host; `nsenter` becomes that program, so a signal reaches it. `ip netns exec` would
   * also keep all disks mounted that are mounted now.
   */
  on(host: number, command: Command): Command {
    return ["nsenter", `--net=/run/netns/${this.#host(host)}`, ...command];
  }

  /** Drops all packets from a host to another. */
  cut(from: number, to: number): Promise<Undo> {
    return this.#rule(from, to, ["-j", "DROP"]);
  }

  /** Drops some packets from a host to another. */
  lose(from: number, to: number, percent: number): Promise<Undo> {
    return this.#rule(from, to, [
      ...["-m", "statistic", "--mode", "random", "--probability", String(percent / 100)],
      ...["-j", "DROP"],
    ]);
  }

  /** Answers every packet from a host to another by a reset: connections break as soon as something is sent. */
  reset(from: number, to: number): Promise<Undo> {
    return this.#rule(from, to, ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]);
  }

  /** Removes all hosts; their programs must have ended. */
  async clear(): Promise<void> {
    for (const namespace of this.#namespaces.splice(0)) await systemCommand("ip", ["netns", "delete", namespace]);
  }

  get #switch(): string {
    return this.#name;
  }

  #host(host: number): string {
    return `${this.#name}-${host}`;
  }

  async #addNamespace(name: string): Promise<void> {
    await systemCommand("ip", ["netns", "add", name]);
    this.#namespaces.push(name);
    await ip(name, "link", "set", "lo", "up");
  }

  /** Applies to packets as they arrive. Each rule is there as often as it was asked for. */
  async #rule(from: number, to: number, what: readonly string[]): Promise<Undo> {
    const rule = ["INPUT", "-s", this.address(from), ...what];
    await this.#iptables(to, ["-A", ...rule]);
    return () => this.#iptables(to, ["-D", ...rule]);
  }

  #iptables(host: number, args: readonly string[]): Promise<void> {
    const [command, ...words] = this.on(host, ["iptables", "-w", ...args]);
    return systemCommand(command, words);
  }
}

function ip(namespace: string, ...words: readonly string[]): Promise<void> {
  return systemCommand("ip", ["-n", namespace, ...words]);
}
