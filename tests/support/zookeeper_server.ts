/**
 * Debian's ZooKeeper, started for a test: one server or several, with TLS or without, stopped, killed and started again with
 * their data.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { HostPort } from "../../lib/base/host_port.ts";
import { type Answer, exists, type Request } from "../../lib/index_server/zookeeper/requests.ts";
import { ZooKeeperClient } from "../../lib/index_server/zookeeper/zookeeper_client.ts";
import type { Credentials } from "../../lib/net/auth/auth_file.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import type { TlsClient } from "../../lib/runtime/runtime.ts";
import { freePorts } from "./free_ports.ts";
import { skipUnless } from "./skip.ts";
import { makeQuickDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { certificatePath, testTlsClient } from "./test_certificates.ts";
import { isInstalled } from "./tools.ts";

const JARS = "/usr/share/java";
/** What Netty needs for TLS is missing in the list of Debian's package. */
const CLASS_PATH = ["zookeeper", "netty-codec", "netty-resolver"].map((name) => `${JARS}/${name}.jar`).join(":");
const isThere = existsSync(`${JARS}/zookeeper.jar`) && isInstalled("java");
export const withoutZooKeeper = skipUnless(isThere, "ZooKeeper (zookeeper)");

const POLL_MS = 50;
/** Sessions last for 2 to 20 of them. */
const TICK_MS = 500;
/** Started quickly, little memory. */
const JAVA = ["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dzookeeper.preAllocSize=64"];
const MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const NO_EVENTS = { onConnect: () => undefined, onDisconnect: () => undefined, onWatch: () => undefined };

export interface ZooKeeperOptions {
  /** How many servers; default 1. */
  readonly count?: number;
  /** With TLS for clients, who need a certificate. */
  readonly secure?: boolean;
  /** How long sessions last at most; default 10 s. */
  readonly sessionMsMax?: number;
}

export class ZooKeeper {
  readonly members: readonly HostPort[];
  readonly tls: TlsClient | undefined;
  readonly #options: ZooKeeperOptions;
  readonly #directory = makeQuickDirectory();
  readonly #processes: (ChildProcess | undefined)[] = [];

  private constructor(first: number, options: ZooKeeperOptions) {
    const { count = 1, secure = false } = options;
    this.#options = options;
    this.members = Array.from({ length: count }, (_, i) => ({ host: "127.0.0.1", port: first + 3 * i }));
    this.tls = secure ? testTlsClient("operator") : undefined;
  }

  /** Resolves when every server answers. */
  static async start(options: ZooKeeperOptions = {}): Promise<ZooKeeper> {
    const { count = 1 } = options;
    const zooKeeper = new ZooKeeper(await freePorts(3 * count), options);
    for (let i = 0; i < count; i++) zooKeeper.#spawn(i);
    await zooKeeper.#answers();
    return zooKeeper;
  }

  /** Kills a server; its data stay. */
  async kill(index = 0): Promise<void> {
    const server = this.#processes[index];
    this.#processes[index] = undefined;
    if (server === undefined) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await gone;
  }

  /** Starts a killed server; resolves when every server answers. */
  async revive(index = 0): Promise<void> {
    this.#spawn(index);
    await this.#answers();
  }

  /** Lets a server stand still while `work` runs: its connections stay. Resolves when every server answers. */
  async paused<T>(index: number, work: () => Promise<T>): Promise<T> {
    // Deno's kill() of a child does nothing the second time.
    const pid = this.#processes[index]?.pid as number;
    process.kill(pid, "SIGSTOP");
    try {
      return await work();
    } finally {
      process.kill(pid, "SIGCONT");
      await this.#answers();
    }
  }

  /** Sends a request in a session of its own. */
  async ask<Result>(request: Request<Result>, credentials?: Credentials): Promise<Answer<Result>> {
    const client = new ZooKeeperClient(runtime, { ...this, credentials }, NO_EVENTS);
    try {
      return await client.ask(request);
    } finally {
      await client.close();
    }
  }

  /** The directory of a server's data. */
  dataDirectory(index = 0): string {
    return join(this.#directory, `data${index}`);
  }

  async stop(): Promise<void> {
    for (let i = 0; i < this.members.length; i++) await this.kill(i);
    removeTemporaryDirectory(this.#directory);
  }

  #spawn(index: number): void {
    const { sessionMsMax } = this.#options;
    const { host, port } = this.members[index] as HostPort;
    const data = this.dataDirectory(index);
    mkdirSync(data, { recursive: true });
    const peers = this.members.map((member, i) => `server.${i + 1}=${member.host}:${member.port + 1}:${member.port + 2}`);
    const settings = [
      `dataDir=${data}`,
      `tickTime=${TICK_MS}`,
      "admin.enableServer=false",
      "maxClientCnxns=0",
      ...(sessionMsMax === undefined ? [] : [`maxSessionTimeout=${sessionMsMax}`]),
      ...(this.members.length === 1 ? [] : ["initLimit=20", "syncLimit=4", ...peers]),
      ...(this.tls === undefined ? [`clientPort=${port}`, `clientPortAddress=${host}`] : this.#tlsSettings(host, port)),
    ];
    const path = join(this.#directory, `zoo${index}.cfg`);
    writeFileSync(path, `${settings.join("\n")}\n`);
    writeFileSync(join(data, "myid"), `${index + 1}\n`);
    this.#processes[index] = spawn("java", [...JAVA, "-cp", CLASS_PATH, MAIN, path], { stdio: "ignore" });
  }

  #tlsSettings(host: string, port: number): string[] {
    const own = join(this.#directory, "own.pem");
    writeFileSync(own, ["node.pem", "node.key"].map((file) => readFileSync(certificatePath(file), "latin1")).join(""));
    return [
      "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
      `secureClientPort=${port}`,
      `secureClientPortAddress=${host}`,
      `ssl.keyStore.location=${own}`,
      `ssl.trustStore.location=${certificatePath("ca.pem")}`,
    ];
  }

  /** Resolves when every server answers. */
  async #answers(): Promise<void> {
    for (const member of this.members) {
      while (!(await this.#serves(member))) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #serves(member: HostPort): Promise<boolean> {
    const client = new ZooKeeperClient(runtime, { members: [member], tls: this.tls }, NO_EVENTS);
    try {
      return (await client.ask(exists("/"))).ok;
    } catch {
      return false;
    } finally {
      await client.close();
    }
  }
}
