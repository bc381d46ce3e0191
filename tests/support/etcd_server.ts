/**
 * Debian's etcd, started for a test: one member or several, with TLS or without, killed and started again with their data.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { HostPort } from "../../lib/base/host_port.ts";
import { EtcdClient, type Json } from "../../lib/index_server/etcd/etcd_client.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import type { TlsClient } from "../../lib/runtime/runtime.ts";
import { freePorts } from "./free_ports.ts";
import { skipUnless } from "./skip.ts";
import { makeQuickDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { certificatePath, testTlsClient } from "./test_certificates.ts";
import { isInstalled } from "./tools.ts";

export const withoutEtcd = skipUnless(isInstalled("etcd"), "etcd (etcd-server)");

const POLL_MS = 50;

export class Etcd {
  readonly members: readonly HostPort[];
  readonly tls: TlsClient | undefined;
  readonly #directory = makeQuickDirectory();
  readonly #peers: string;
  readonly #flags: Readonly<Record<string, string>>;
  readonly #processes: (ChildProcess | undefined)[] = [];

  private constructor(first: number, count: number, secure: boolean, flags: Readonly<Record<string, string>>) {
    this.#flags = flags;
    this.members = Array.from({ length: count }, (_, i) => ({ host: "127.0.0.1", port: first + 2 * i }));
    this.#peers = this.members.map(({ host, port }, i) => `m${i}=http://${host}:${port + 1}`).join(",");
    this.tls = secure ? testTlsClient("operator") : undefined;
  }

  /** Resolves when it answers. @param secure with TLS for clients, who need a certificate @param flags more flags of etcd */
  static async start(count = 1, secure = false, flags: Readonly<Record<string, string>> = {}): Promise<Etcd> {
    const etcd = new Etcd(await freePorts(2 * count), count, secure, flags);
    for (let i = 0; i < count; i++) etcd.#spawn(i);
    await etcd.#answers();
    return etcd;
  }

  /** Kills a member; its data stay. */
  async kill(index = 0): Promise<void> {
    const member = this.#processes[index];
    this.#processes[index] = undefined;
    if (member === undefined) return;
    const gone = new Promise((resolve) => member.once("exit", resolve));
    member.kill("SIGKILL");
    await gone;
  }

  /** Starts a killed member; resolves when etcd answers. */
  async revive(index = 0): Promise<void> {
    this.#spawn(index);
    await this.#answers();
  }

  /** Sends something to the gateway. */
  ask(path: string, body: Json): Promise<Json> {
    return new EtcdClient(detectRuntime({ programName: "test", logLevel: "error" }), this).write(path, body);
  }

  /** Lets only this user in, by password. */
  async demandLogin(user: string, password: string): Promise<void> {
    const name = user;
    for (const each of new Set(["root", user])) await this.ask("/v3/auth/user/add", { name: each, password });
    await this.ask("/v3/auth/role/add", { name: "root" });
    for (const each of new Set(["root", name])) await this.ask("/v3/auth/user/grant", { user: each, role: "root" });
    await this.ask("/v3/auth/enable", {});
  }

  async stop(): Promise<void> {
    for (let i = 0; i < this.members.length; i++) await this.kill(i);
    removeTemporaryDirectory(this.#directory);
  }

  #spawn(index: number): void {
    const { host, port } = this.members[index] as HostPort;
    const scheme = this.tls === undefined ? "http" : "https";
    const client = `${scheme}://${host}:${port}`;
    const peer = `http://${host}:${port + 1}`;
    const args = {
      name: `m${index}`,
      "data-dir": join(this.#directory, `m${index}`),
      "listen-client-urls": client,
      "advertise-client-urls": client,
      "listen-peer-urls": peer,
      "initial-advertise-peer-urls": peer,
      "initial-cluster": this.#peers,
      ...this.#flags,
      ...(this.tls === undefined
        ? {}
        : {
            "cert-file": certificatePath("node.pem"),
            "key-file": certificatePath("node.key"),
            "trusted-ca-file": certificatePath("ca.pem"),
            "client-cert-auth": "true",
          }),
    };
    const words = Object.entries(args).map(([name, value]) => `--${name}=${value}`);
    // On a machine that is no x86 it asks for consent.
    const env = { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch };
    this.#processes[index] = spawn("etcd", words, { stdio: "ignore", env });
  }

  async #answers(): Promise<void> {
    for (;;) {
      const isThere = await this.ask("/v3/kv/range", { key: btoa("/") }).then(
        () => true,
        // Without a login it refuses.
        (error: { readonly code?: string }) => error.code === "REFUSED",
      );
      if (isThere) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
