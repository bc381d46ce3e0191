/**
 * A fully secured cluster: processes under different runtimes with TLS, required certificates and logins, and an access list
 * for operators. Clients keep running through a proxy while a master is killed and while certificates, users and the cluster's
 * own password are replaced.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { type Client, FlareError } from "../../mod.ts";
import { connectAs, USERS, writeUsers } from "../support/access_world.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { SecureCluster } from "../support/secure_cluster.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { testClientTls, testTlsClient } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const ALICE = { user: "alice", password: "secret" };
const CERTIFICATE = testTlsClient("operator");
const WORKERS = 4;
const KEYS_EACH = 25;
/** The number of further answered requests that shows that the load continues. */
const PROGRESS = 200;

/** Clients that write growing numbers and read them back, as fast as they are answered. */
class Load {
  /** Requests that were answered as they should be. */
  answered = 0;
  /** Why the others were not. */
  readonly failures: string[] = [];
  readonly #client: Client;
  readonly #prefix: string;
  readonly #acknowledged = new Map<string, number>();
  readonly #workers: Promise<void>[];
  #goesOn = true;

  /** @param prefix of its keys */
  constructor(client: Client, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
    this.#workers = Array.from({ length: WORKERS }, (_, worker) => this.#work(worker));
  }

  /** Waits until it has got on. */
  async progress(): Promise<void> {
    const goal = this.answered + PROGRESS;
    await waitUntil(() => this.answered >= goal, "clients are served");
  }

  async stop(): Promise<void> {
    this.#goesOn = false;
    await Promise.all(this.#workers);
  }

  /** Nothing that was acknowledged may be missing; what was not may have happened all the same. */
  async check(client: Client): Promise<void> {
    assertEquals(this.#acknowledged.size, WORKERS * KEYS_EACH);
    for (const [key, number] of this.#acknowledged) {
      const found = await numberOf(client, key);
      assert(found >= number, `"${key}" is ${found} where ${number} was acknowledged`);
    }
  }

  async #work(worker: number): Promise<void> {
    for (let number = 1; this.#goesOn; number++) {
      const key = `${this.#prefix}${worker}-${number % KEYS_EACH}`;
      try {
        assertEquals(await this.#client.set(key, String(number)), "STORED");
        this.#acknowledged.set(key, number);
        assertEquals(await numberOf(this.#client, key), number, key);
        this.answered += 2;
      } catch (error) {
        this.failures.push(String(error));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

async function numberOf(client: Client, key: string): Promise<number> {
  const item = await client.get(key);
  return item === undefined ? 0 : Number(new TextDecoder().decode(item.value));
}

/** Whether a user is let in at a server now. */
async function isLetIn(runtime: Runtime, address: Address, user: string, password: string): Promise<boolean> {
  try {
    (await connectAs(runtime, address, user, password, CERTIFICATE)).close();
    return true;
  } catch {
    return false;
  }
}

/** What becomes of those who lack something. */
async function knock(runtime: Runtime, cluster: SecureCluster): Promise<void> {
  const { ca } = testClientTls();
  assert(ca !== undefined);
  const nameless = cluster.client(2, { tls: { ca }, ...ALICE });
  await assertRejects(() => nameless.get("load:0-1"), FlareError);
  nameless.close();
  const stranger = cluster.client(2, { tls: testClientTls("stranger"), ...ALICE });
  await assertRejects(() => stranger.get("load:0-1"), FlareError);
  stranger.close();
  const silent = cluster.client(2);
  await assertRejects(() => silent.get("load:0-1"), FlareError, "CLIENT_ERROR unauthenticated");
  silent.close();
  for (const address of [cluster.indexAddress, ...[0, 1, 2].flatMap((n) => [cluster.address(n), cluster.adminAddress(n)])]) {
    const plain = await TextClient.connect(runtime, address);
    await plain.send("version\r\n");
    await plain.until(() => plain.closed);
    assertEquals([plain.closed, plain.received.includes("VERSION")], [true, false]);
    const mute = await TextClient.connect(runtime, address, CERTIFICATE);
    assertEquals(await mute.ask("version\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    mute.close();
    await assertRejects(() => connectAs(runtime, address, "alice", "Secret", CERTIFICATE), Error, "authentication failure");
  }
  for (const [address, user, password, heard] of [
    [cluster.address(2), "alice", "secret", "CLIENT_ERROR kill not allowed"],
    [cluster.indexAddress, "alice", "secret", "CLIENT_ERROR kill not allowed"],
    [cluster.adminAddress(2), "alice", "secret", "CLIENT_ERROR thread not found"],
    [cluster.address(2), "boss", "chief", "CLIENT_ERROR thread not found"],
    [cluster.address(2), "node", "of-the-cluster", "CLIENT_ERROR thread not found"],
  ] as const) {
    const client = await connectAs(runtime, address, user, password, CERTIFICATE);
    assertEquals(await client.ask("kill 999999999\r\n"), `${heard}\r\n`);
    client.close();
  }
  const alice = await connectAs(runtime, cluster.address(1), "alice", "secret", CERTIFICATE);
  for (const command of ["flush_all", "delete_prefix 10 pload", "dump", "<a:1>get x"]) {
    assertStringIncludes(await alice.ask(`${command}\r\n`), "not allowed");
  }
  alice.close();
}

describe("a cluster with every door locked", () => {
  it("serves who may, through failures and changes of all that opens doors, and nobody else", () =>
    withTemporaryDirectory(async (directory) => {
      const runtime = clientRuntime();
      const authFile = writeUsers(directory);
      const passwordFile = join(directory, "password");
      writeFileSync(passwordFile, "chief\n", { mode: 0o600 });
      const cluster = await SecureCluster.prepare(runtime, directory, 4, {
        serverArgs: ["--auth-file", authFile, "--cluster-user", "node", "--admin-access", "user:boss"],
        login: { user: "boss", password: "chief", passwordFile },
      });
      const proxy = cluster.client(2, ALICE);
      let load: Load | undefined;
      try {
        await cluster.startIndex();
        const master = await cluster.startNode(0);
        await Promise.all([cluster.startNode(1), cluster.startNode(2)]);
        await cluster.operate(["part", "--force", `${cluster.key(0)}:1:0`]);
        load = new Load(proxy, "load:");
        await load.progress();

        // A slave is copied while clients write.
        await cluster.operate(["slave", "--force", `${cluster.key(1)}:1:0`]);
        await cluster.untilNode(1, "slave", "active");
        await load.progress();
        assertEquals(load.failures, []);
        await knock(runtime, cluster);
        for (const login of [ALICE, { user: "boss", password: "secret" }]) {
          const wrong = join(directory, "other-password");
          writeFileSync(wrong, `${login.password}\n`, { mode: 0o600 });
          const given = { login: { user: login.user, passwordFile: wrong } };
          await assertRejects(() => cluster.operate(["down", "--force", cluster.key(0)], given), Error, "ended with 1");
        }

        // The master dies in the midst of writes: what was acknowledged by then is at its slave.
        const last = new Load(proxy, "last:");
        await last.progress();
        master.kill("SIGKILL");
        await Promise.all([master.finished, last.stop()]);
        await cluster.untilNode(1, "master", "active");
        await load.progress();
        await last.check(proxy);
        await cluster.startNode(0);
        await cluster.untilNode(0, "proxy", "active");
        await cluster.operate(["slave", "--force", `${cluster.key(0)}:1:0`]);
        await cluster.untilNode(0, "slave", "active");
        load.failures.length = 0;

        // Everything is renewed by SIGHUP, the cluster's own password in the documented steps.
        const running = cluster.programs.filter((program) => program !== master);
        const servers = [cluster.indexAddress, ...[0, 1, 2].map((node) => cluster.address(node))];
        const renew = async (step: string, users: string): Promise<void> => {
          writeUsers(directory, `${users}${step}:here\n`);
          for (const program of running) program.kill("SIGHUP");
          for (const server of servers) await waitUntil(() => isLetIn(runtime, server, step, "here"), `${step} is taken up`);
          await load?.progress();
        };
        cluster.install("renewed");
        await renew("second", `${USERS}node:renewed\nalice:changed\n`);
        for (const program of running) await program.waitFor("certificates renewed");
        await renew("first", "node:renewed\nnode:of-the-cluster\nalice:changed\nboss:chief\n");
        await renew("last", "node:renewed\nalice:changed\nboss:chief\n");
        assertEquals(load.failures, []);
        for (const server of servers) {
          assert(!(await isLetIn(runtime, server, "alice", "secret")));
          assert(!(await isLetIn(runtime, server, "node", "of-the-cluster")));
          const client = await connectAs(runtime, server, "alice", "changed", CERTIFICATE);
          assertEquals(client.peerName, "renewed");
          client.close();
        }

        // One who has never known the old ones joins and is copied.
        await cluster.startNode(3);
        await cluster.operate(["slave", "--force", `${cluster.key(3)}:1:0`]);
        await cluster.untilNode(3, "slave", "active");
        await load.progress();
        assertEquals(load.failures, []);
        await load.stop();
        for (const node of [0, 1, 2, 3]) {
          const client = cluster.client(node, { user: "alice", password: "changed" });
          await load.check(client);
          client.close();
        }
        await cluster.operate(["verify"]);
        assertEquals((await cluster.operate(["scan", "--prefix", "load:"])).trim().split("\n").length, WORKERS * KEYS_EACH);
        assertStringIncludes(await cluster.operate(["dump", "--output", "-"]), "load:0-1 0 ");
        await cluster.operate(["delete", "--prefix", "load:", "--force"]);
        assertEquals((await cluster.operate(["scan", "--prefix", "load:"])).trim(), "");
        assertStringIncludes(await cluster.operate(["stats"]), cluster.key(3));
      } finally {
        await load?.stop();
        proxy.close();
        await cluster.stop();
      }
    }));
});
