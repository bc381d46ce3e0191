/**
 * A cluster of real processes with TLS and client certificates everywhere: an index server and two nodes, operated by `flare
 * --ssl`. Writes are proxied and replicated, the master is killed and returns, certificates are renewed by SIGHUP while a
 * client stays connected.
 */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Client, FlareError } from "../../mod.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { SecureCluster } from "../support/secure_cluster.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { certificatePath, testClientTls, testTlsClient } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = 200;
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
      const runtime = clientRuntime();
      const cluster = await SecureCluster.prepare(runtime, directory, 2);
      try {
        await cluster.startIndex();
        const first = await cluster.startNode(0);
        const second = await cluster.startNode(1);
        await cluster.operate(["master", "--force", `${cluster.key(0)}:1:0`]);
        await cluster.operate(["slave", "--force", `${cluster.key(1)}:1:0`]);
        await cluster.untilNode(1, "slave", "active");
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
        await assertRejects(() => cluster.operate(["stats"], { certificate: false }), Error, "ended with 1");
        const plain = await TextClient.connect(runtime, cluster.address(0));
        await plain.send("get key-1\r\n");
        await plain.until(() => plain.closed);
        assertEquals(plain.closed, true);
        assert(!plain.received.includes("VALUE"));
        const { ca } = testClientTls();
        assert(ca !== undefined);
        const nameless = new Client({ runtime, ...cluster.address(0), tls: { ca } });
        await assertRejects(() => nameless.get("key-1"), FlareError);

        // The master dies, the slave takes over, the dead one comes back and copies.
        first.kill("SIGKILL");
        await first.finished;
        await cluster.untilNode(1, "master", "active");
        await assertAll(atSlave, "first");
        await writeAll(atSlave, "second");
        await cluster.startNode(0);
        await cluster.untilNode(0, "proxy", "active");
        await cluster.operate(["slave", "--force", `${cluster.key(0)}:1:0`]);
        await cluster.untilNode(0, "slave", "active");
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
      const runtime = clientRuntime();
      for (const name of ["elsewhere", "expired"] as const) {
        const cluster = await SecureCluster.prepare(runtime, directory, 2);
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
