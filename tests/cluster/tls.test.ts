/**
 * A cluster of real processes in which everything speaks TLS and shows a certificate: an index server and two nodes,
 * operated by `flare --ssl`. Writes are proxied and replicated, the master is killed and comes back, certificates are
 * exchanged by SIGHUP while a client stays connected.
 */

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { Client, FlareError } from "../../mod.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { runProgram, type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { type CertificateName, certificatePath, testTlsClient } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = 200;
const OPERATOR_TLS = ["--ssl", "--ssl-ca-cert", certificatePath("ca.pem")];
const OPERATOR_CERTIFICATE = [
  "--ssl-chain-cert",
  certificatePath("operator.pem"),
  "--ssl-key",
  certificatePath("operator.key"),
];

/** The processes of the cluster. */
class SecureCluster {
  readonly programs: SpawnedProgram[] = [];
  readonly #directory: string;
  readonly #firstPort: number;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, directory: string, firstPort: number) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#firstPort = firstPort;
    this.install("node");
  }

  /** Puts a certificate where all processes read theirs. */
  install(name: CertificateName): void {
    copyFileSync(certificatePath(`${name}.pem`), join(this.#directory, "chain.pem"));
    copyFileSync(certificatePath(`${name}.key`), join(this.#directory, "key.pem"));
  }

  get index(): string {
    return `${HOST}:${this.#firstPort}`;
  }

  address(node: number): Address & { host: string; port: number } {
    return { host: HOST, port: this.#firstPort + 1 + node };
  }

  key(node: number): string {
    return `${HOST}:${this.address(node).port}`;
  }

  async startIndex(): Promise<void> {
    await this.#start("flarei", "index", this.#firstPort, ["--monitor-interval", "1", "--monitor-threshold", "2"]);
  }

  async startNode(node: number): Promise<SpawnedProgram> {
    const args = ["--index-servers", this.index, "--replication-type", "sync"];
    return this.#start("flared", `node-${node}`, this.address(node).port, args);
  }

  /** A verb of the operator, who shows a certificate unless told otherwise. */
  async operate(words: readonly string[], certificate = OPERATOR_CERTIFICATE): Promise<string> {
    const { status, stdout, stderr } = await runProgram("flare", [
      ...words,
      ...["-i", this.index, "--timeout", "5"],
      ...OPERATOR_TLS,
      ...certificate,
    ]);
    if (status !== 0) throw new Error(`flare ${words.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
    return stdout;
  }

  client(node: number): Client {
    return new Client(this.#runtime, this.address(node), { tls: testTlsClient("operator") });
  }

  async stop(): Promise<void> {
    for (const program of this.programs) {
      try {
        program.kill("SIGKILL");
      } catch {
        // It has ended before.
      }
      await program.finished;
    }
  }

  async #start(program: "flared" | "flarei", name: string, port: number, args: readonly string[]): Promise<SpawnedProgram> {
    const dataDir = join(this.#directory, name);
    mkdirSync(dataDir, { recursive: true });
    const started = startProgram(program, [
      ...["--data-dir", dataDir, "--bind", HOST, "--server-name", HOST, "--server-port", String(port)],
      ...[
        "--enable-ssl",
        "--ssl-chain-cert",
        join(this.#directory, "chain.pem"),
        "--ssl-key",
        join(this.#directory, "key.pem"),
      ],
      ...["--ssl-ca-cert", certificatePath("ca.pem"), "--ssl-verify-mode", "2", ...args],
    ]);
    this.programs.push(started);
    await started.waitFor("ready on");
    return started;
  }
}

/** Waits until a node's role and state are as told, as the index server sees it. */
async function untilNode(runtime: Runtime, cluster: SecureCluster, node: number, role: string, state: string): Promise<void> {
  const [host = "", port = ""] = cluster.index.split(":");
  const index = new Client(runtime, { host, port: Number(port) }, { tls: testTlsClient("operator") });
  await waitUntil(
    async () => {
      const nodes = await index.stats("nodes");
      return nodes.get(`${cluster.key(node)}:role`) === role && nodes.get(`${cluster.key(node)}:state`) === state;
    },
    `"${cluster.key(node)}" becomes ${role} and ${state}`,
  );
  index.close();
}

async function writeAll(client: Client, value: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) assertEquals(await client.set(`key-${i}`, `${value}-${i}`), "STORED");
}

async function assertAll(client: Client, value: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) {
    const item = await client.get(`key-${i}`);
    assertEquals(item === undefined ? undefined : new TextDecoder().decode(item.value), `${value}-${i}`);
  }
}

describe("a cluster that speaks TLS", () => {
  it("replicates, proxies, fails over and renews its certificates", () =>
    withTemporaryDirectory(async (directory) => {
      const runtime = await clientRuntime();
      const cluster = new SecureCluster(runtime, directory, await freePorts(3));
      try {
        await cluster.startIndex();
        const first = await cluster.startNode(0);
        const second = await cluster.startNode(1);
        await cluster.operate(["master", "--force", `${cluster.key(0)}:1:0`]);
        await cluster.operate(["slave", "--force", `${cluster.key(1)}:1:0`]);
        await untilNode(runtime, cluster, 1, "slave", "active");
        assertStringIncludes(await cluster.operate(["stats"]), cluster.key(1));

        // By way of the slave: proxied to the master, and copied back.
        const atSlave = cluster.client(1);
        await writeAll(atSlave, "first");
        await assertAll(atSlave, "first");
        assertEquals(
          await cluster
            .client(0)
            .stats()
            .then((stats) => stats.get("ssl_handshake_errors")),
          "0",
        );

        // Whoever shows no certificate, or speaks no TLS, is not let in.
        await assertRejects(() => cluster.operate(["stats"], []), Error, "ended with 1");
        const plain = await TextClient.connect(runtime, cluster.address(0));
        await plain.send("get key-1\r\n");
        await plain.until(() => plain.closed);
        assertEquals(plain.closed, true);
        assert(!plain.received.includes("VALUE"));
        const { authorities } = testTlsClient();
        assert(authorities !== undefined);
        const nameless = new Client(runtime, cluster.address(0), { tls: { authorities } });
        await assertRejects(() => nameless.get("key-1"), FlareError);

        // The master dies, the slave takes over, the dead one comes back and copies.
        first.kill("SIGKILL");
        await first.finished;
        await untilNode(runtime, cluster, 1, "master", "active");
        await assertAll(atSlave, "first");
        await writeAll(atSlave, "second");
        await cluster.startNode(0);
        await untilNode(runtime, cluster, 0, "proxy", "active");
        await cluster.operate(["slave", "--force", `${cluster.key(0)}:1:0`]);
        await untilNode(runtime, cluster, 0, "slave", "active");
        await assertAll(cluster.client(0), "second");

        // Renewed while a client stays.
        const stays = await TextClient.connect(runtime, cluster.address(1), testTlsClient("operator"));
        assertEquals(stays.peerName, "node");
        cluster.install("renewed");
        second.kill("SIGHUP");
        await second.waitFor("certificates renewed");
        const comes = await TextClient.connect(runtime, cluster.address(1), testTlsClient("operator"));
        assertEquals(comes.peerName, "renewed");
        assertEquals(await stays.ask("get key-7\r\n", /END\r\n$/), "VALUE key-7 0 8\r\nsecond-7\r\nEND\r\n");
        cluster.install("stranger");
        copyFileSync(certificatePath("operator.key"), join(directory, "key.pem"));
        second.kill("SIGHUP");
        await second.waitFor("certificates not renewed, the old ones stay");
        const later = await TextClient.connect(runtime, cluster.address(1), testTlsClient("operator"));
        assertEquals(later.peerName, "renewed");
        assertEquals(await later.ask("set key-7 0 0 5\r\nthird\r\n"), "STORED\r\n");
        for (const client of [atSlave, nameless, stays, comes, later]) client.close();
      } finally {
        await cluster.stop();
      }
    }));

  it("refuses a node whose certificate is for another host or has expired", () =>
    withTemporaryDirectory(async (directory) => {
      const runtime = await clientRuntime();
      for (const name of ["elsewhere", "expired"] as const) {
        const cluster = new SecureCluster(runtime, directory, await freePorts(3));
        try {
          cluster.install(name);
          await cluster.startIndex();
          const [index] = cluster.programs;
          cluster.install("node");
          const node = cluster.startNode(0).catch((error: Error) => error);
          await waitUntil(() => cluster.programs[1]?.output.includes("cannot join yet") === true, "the node says so");
          const said = cluster.programs[1]?.output ?? "";
          assertStringIncludes(said, `cannot connect to "${cluster.index}": `);
          assert(/ERR_TLS_CERT_ALTNAME_INVALID|CERT_HAS_EXPIRED|UNABLE_TO_VERIFY/.test(said), said);
          assert(index !== undefined);
          await cluster.stop();
          assert((await node) instanceof Error);
        } finally {
          await cluster.stop();
        }
      }
    }));
});
