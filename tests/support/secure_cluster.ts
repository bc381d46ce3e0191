/**
 * A cluster of processes that speak TLS to everybody and want a certificate of everybody, each under another of the runtimes
 * that are here; the test adds further settings, users and lists. It is operated by the command `flare`.
 */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { Client, type ClientOptions } from "../../mod.ts";
import { HOST, waitUntil } from "./daemon.ts";
import { INDEX, ProcessCluster } from "./process_cluster.ts";
import { runProgram, type SpawnedProgram } from "./spawn.ts";
import { type CertificateName, certificatePath, testClientTls } from "./test_certificates.ts";

/** Who operates. */
interface Operator {
  /** Whether a certificate is shown; yes unless told otherwise. */
  readonly certificate?: boolean;
  /** The name and the file of the password. */
  readonly login?: { readonly user: string; readonly passwordFile: string } | undefined;
}

/** The servers' settings beyond TLS, and how clients and operators log in. */
export interface SecureClusterOptions {
  readonly serverArgs?: readonly string[];
  readonly login?: { readonly user: string; readonly password: string; readonly passwordFile: string };
}

export class SecureCluster {
  readonly #directory: string;
  readonly #cluster: ProcessCluster;
  readonly #nodesMax: number;
  readonly #runtime: Runtime;
  readonly #options: SecureClusterOptions;

  private constructor(
    runtime: Runtime,
    directory: string,
    cluster: ProcessCluster,
    nodesMax: number,
    options: SecureClusterOptions,
  ) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#cluster = cluster;
    this.#nodesMax = nodesMax;
    this.#options = options;
    this.install("node");
  }

  /** Finds the ports and puts the certificates in place; nothing runs yet. */
  static async prepare(
    runtime: Runtime,
    directory: string,
    nodesMax: number,
    options: SecureClusterOptions = {},
  ): Promise<SecureCluster> {
    const cluster = await ProcessCluster.prepare(directory, 2 * (1 + nodesMax));
    return new SecureCluster(runtime, directory, cluster, nodesMax, options);
  }

  /** Puts a certificate where all processes read theirs. */
  install(name: CertificateName): void {
    copyFileSync(certificatePath(`${name}.pem`), join(this.#directory, "chain.pem"));
    copyFileSync(certificatePath(`${name}.key`), join(this.#directory, "key.pem"));
  }

  /** The index server and the nodes in the order they were started. */
  get programs(): readonly SpawnedProgram[] {
    return this.#cluster.programs;
  }

  get index(): string {
    return this.#cluster.key(INDEX);
  }

  get indexAddress(): { readonly host: string; readonly port: number } {
    return this.#cluster.address(INDEX);
  }

  address(node: number): { readonly host: string; readonly port: number } {
    return this.#cluster.address(1 + node);
  }

  /** Where a node listens for operators. */
  adminAddress(node: number): Address {
    return { host: HOST, port: this.#adminPort(1 + node) };
  }

  key(node: number): string {
    return this.#cluster.key(1 + node);
  }

  async startIndex(): Promise<void> {
    await this.#start(INDEX, ["--monitor-interval", "1", "--monitor-threshold", "2"]);
  }

  startNode(node: number): Promise<SpawnedProgram> {
    return this.#start(1 + node, ["--index-servers", this.index, "--replication-type", "sync"]);
  }

  /** A verb of the operator, who shows a certificate and logs in unless told otherwise. @throws Error when it fails */
  async operate(words: readonly string[], { certificate = true, login = this.#options.login }: Operator = {}): Promise<string> {
    const { status, stdout, stderr } = await runProgram("flare", [
      ...words,
      ...["-i", this.index, "--timeout", "5", "--ssl", "--ssl-ca-cert", certificatePath("ca.pem")],
      ...(certificate
        ? ["--ssl-chain-cert", certificatePath("operator.pem"), "--ssl-key", certificatePath("operator.key")]
        : []),
      ...(login === undefined ? [] : ["--user", login.user, "--password-file", login.passwordFile]),
    ]);
    if (status !== 0) throw new Error(`flare ${words.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
    return stdout;
  }

  client(node: number, options: Partial<ClientOptions> = {}): Client {
    return new Client({ runtime: this.#runtime, ...this.address(node), tls: testClientTls("operator"), ...options });
  }

  /** Waits until a node's role and state are as told, as the index server sees it. */
  async untilNode(node: number, role: string, state: string): Promise<void> {
    const { login } = this.#options;
    const index = new Client({
      runtime: this.#runtime,
      ...this.indexAddress,
      ...{
        tls: testClientTls("operator"),
        ...(login === undefined ? {} : { user: login.user, password: login.password }),
      },
    });
    await waitUntil(
      async () => {
        const nodes = await index.stats("nodes");
        return nodes.get(`${this.key(node)}:role`) === role && nodes.get(`${this.key(node)}:state`) === state;
      },
      `"${this.key(node)}" becomes ${role} and ${state}`,
    );
    index.close();
  }

  stop(): Promise<void> {
    return this.#cluster.clear();
  }

  #adminPort(number: number): number {
    return this.#cluster.address(number).port + 1 + this.#nodesMax;
  }

  #start(number: number, args: readonly string[]): Promise<SpawnedProgram> {
    return this.#cluster.start(number, [
      ...["--admin-address", `${HOST}:${this.#adminPort(number)}`],
      ...["--enable-ssl", "--ssl-chain-cert", join(this.#directory, "chain.pem")],
      ...["--ssl-key", join(this.#directory, "key.pem"), "--ssl-ca-cert", certificatePath("ca.pem")],
      ...["--ssl-verify-mode", "2", ...(this.#options.serverArgs ?? []), ...args],
    ]);
  }
}
