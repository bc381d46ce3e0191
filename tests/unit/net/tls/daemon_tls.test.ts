/**
 * A node that speaks TLS, in this process: what its options have to say together, who is let in, what a flood of half-open
 * handshakes may take, what `stats` tells, and certificates renewed by command.
 *
 * Covers lib/net/auth/login_transport.ts.
 */

import { copyFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import tls from "node:tls";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { indexServerOptions } from "../../../../lib/index_server/index_options.ts";
import { startIndexServer as startIndex } from "../../../../lib/index_server/index_server.ts";
import { nodeServerOptions } from "../../../../lib/node_server/node_options.ts";
import type { Address, LogLevel, Runtime } from "../../../../lib/runtime/runtime.ts";
import {
  Client,
  type Cluster,
  ClusterAdmin,
  detectRuntime,
  masterChange,
  startCluster,
  startIndexServer,
  startNodeServer,
} from "../../../../mod.ts";
import { waitUntil } from "../../../support/daemon.ts";
import { freePorts } from "../../../support/free_ports.ts";
import { withTemporaryDirectory } from "../../../support/temporary_directory.ts";
import {
  AUTHORITY,
  type CertificateName,
  certificatePath,
  testClientTls,
  testServerTls,
  testTlsClient,
} from "../../../support/test_certificates.ts";
import { TextClient } from "../../../support/text_client.ts";

const HOST = "127.0.0.1";
const quiet = detectRuntime({ logLevel: "error" });

/** The runtime of the test, which writes its log into `lines`. */
function logged(lines: string[]): Runtime {
  return { ...quiet, log: { write: (level: LogLevel, message: string) => void lines.push(`${level} ${message}`) } };
}

/** Copies a certificate to where a server reads its own. */
function install(directory: string, name: CertificateName): void {
  copyFileSync(certificatePath(`${name}.pem`), join(directory, "chain.pem"));
  copyFileSync(certificatePath(`${name}.key`), join(directory, "key.pem"));
}

function pathsIn(directory: string): { readonly sslChainCert: string; readonly sslKey: string; readonly sslCaCert: string } {
  return {
    sslChainCert: join(directory, "chain.pem"),
    sslKey: join(directory, "key.pem"),
    sslCaCert: certificatePath("ca.pem"),
  };
}

function addressOf(cluster: Cluster): Address {
  const [address] = cluster.addresses;
  assert(address !== undefined);
  return address;
}

/** A number of `stats`. */
async function figure(client: TextClient, name: string): Promise<number> {
  const answer = await client.ask("stats\r\n", /END\r\n$/);
  return Number(new RegExp(`^STAT ${name} (\\d+)\r$`, "m").exec(answer)?.[1]);
}

describe("the options of TLS", () => {
  const needed = { dataDir: "/d", indexServers: [{ host: "i", port: 1 }] };

  it("have to fit together", () => {
    const refused: readonly [Parameters<typeof nodeServerOptions>[0], string][] = [
      [{ enableSsl: true }, '"ssl-chain-cert" is missing: "enable-ssl" needs a certificate'],
      [{ sslPort: 11212 }, '"ssl-chain-cert" is missing: "ssl-port" needs a certificate'],
      [{ sslChainCert: "c.pem" }, '"ssl-chain-cert" has no effect without TLS'],
      [{ sslVerifyMode: 1 }, '"ssl-verify-mode" has no effect without TLS'],
      [{ enableSsl: true, sslChainCert: "c.pem", sslVerifyMode: 2 }, '"ssl-ca-cert" is missing: "ssl-verify-mode" "2"'],
    ];
    for (const [given, text] of refused) {
      assertStringIncludes(assertThrows(() => nodeServerOptions({ ...needed, ...given }), FlareError).message, text);
    }
    assertThrows(() => indexServerOptions({ dataDir: "/d", enableSsl: true }), FlareError, "ssl-chain-cert");
    assertEquals(nodeServerOptions({ ...needed, sslPort: 11212, sslChainCert: "c.pem" }).enableSsl, false);
  });

  it("name what is wrong with the files at the start", () =>
    withTemporaryDirectory(async (directory) => {
      install(directory, "node");
      const start = async (change: Partial<ReturnType<typeof pathsIn>>): Promise<string> => {
        const options = { indexDb: "memory://", bind: HOST, serverName: HOST, serverPort: 0, enableSsl: true };
        const starting = startIndex(quiet, indexServerOptions({ ...options, ...pathsIn(directory), ...change }));
        const error = await assertRejects(() => starting, FlareError);
        assertEquals(error.code, "INVALID_OPTION");
        return error.message;
      };
      const missing = join(directory, "no-such.pem");
      assertEquals(await start({ sslChainCert: missing }), `option "ssl-chain-cert": file "${missing}" does not exist`);
      assertEquals(
        await start({ sslKey: certificatePath("ca.pem") }),
        `option "ssl-key": "${certificatePath("ca.pem")}" contains no PEM "PRIVATE KEY"`,
      );
      assertEquals(
        await start({ sslKey: "" }),
        `option "ssl-chain-cert": "${join(directory, "chain.pem")}" contains no PEM "PRIVATE KEY"`,
      );
      const mismatch = await start({ sslKey: certificatePath("operator.key") });
      assertStringIncludes(mismatch, `"ssl-key" "${certificatePath("operator.key")}"`);
      assertStringIncludes(mismatch, "the key does not match the certificate");
    }));
});

describe("a node that speaks TLS", () => {
  it("serves clients that show what it asks for, and nobody else", async () => {
    const tlsOptions = { ...testServerTls("node"), clientCert: "required" } as const;
    const cluster = await startCluster({ runtime: quiet, tls: tlsOptions, slaves: 1, replicationType: "sync" });
    const [master, slave] = cluster.addresses;
    assert(master !== undefined && slave !== undefined);
    const client = new Client({ runtime: quiet, ...slave, tls: testClientTls("operator") });
    assertEquals(await client.set("key", "value"), "STORED");
    assertEquals(new TextDecoder().decode((await client.get("key"))?.value), "value");
    const stats = await client.stats();
    assertEquals(stats.get("ssl_handshake_errors"), "0");
    assert(Number(stats.get("time_since_server_cert_refresh")) >= 0);
    const settings = await client.stats("settings");
    const shown = ["enabled", "chain_cert", "key", "verify_mode", "ca_cert", "min_version"].map((n) =>
      settings.get(`ssl_${n}`),
    );
    assertEquals(shown, [
      "yes",
      certificatePath("node.pem"),
      certificatePath("node.key"),
      "2",
      certificatePath("ca.pem"),
      "tlsv1.2",
    ]);
    const stranger = new Client({ runtime: quiet, ...slave, tls: testClientTls() });
    await assertRejects(() => stranger.get("key"), FlareError);
    const plain = new Client({ runtime: quiet, ...slave });
    await assertRejects(() => plain.get("key"), FlareError);
    await waitUntil(async () => (await client.stats()).get("ssl_handshake_errors") === "2", "both are counted");
    for (const each of [client, stranger, plain]) each.close();
    await cluster.stop();
  });

  it("keeps a flood of half-open handshakes within max-connection", async () => {
    const lines: string[] = [];
    const cluster = await startCluster({ runtime: logged(lines), tls: testServerTls("node"), node: { maxConnection: 4 } });
    const address = addressOf(cluster);
    assert("port" in address);
    const operator = await TextClient.connect(quiet, address, testTlsClient());
    // The index server has a connection, too.
    assertEquals(await figure(operator, "curr_connections"), 2);
    const flood = Array.from({ length: 20 }, () => net.connect({ host: HOST, port: address.port }));
    let closed = 0;
    for (const socket of flood) {
      socket.on("close", () => closed++);
      socket.on("error", () => undefined);
      socket.resume();
    }
    await waitUntil(() => closed >= 18, "all above the limit are closed");
    assertEquals(await figure(operator, "curr_connections"), 4);
    for (const socket of flood) socket.destroy();
    await waitUntil(async () => (await figure(operator, "curr_connections")) === 2, "they are gone");
    assertEquals(await figure(operator, "ssl_handshake_errors"), 2);
    assertEquals(lines.filter((line) => /^notice TLS handshake with "127\.0\.0\.1:\d+" failed: /.test(line)).length, 1);
    operator.close();
    await cluster.stop();
  });

  it("ends handshakes under way when it stops", async () => {
    const cluster = await startCluster({ runtime: quiet, tls: testServerTls("node") });
    const address = addressOf(cluster);
    assert("port" in address);
    const socket = net.connect({ host: HOST, port: address.port });
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    const operator = await TextClient.connect(quiet, address, testTlsClient());
    await waitUntil(async () => (await figure(operator, "curr_connections")) === 3, "it is there");
    operator.close();
    const startMs = performance.now();
    await cluster.stop();
    await closed;
    assert(performance.now() - startMs < 4000, "the stop waited for the handshake");
  });

  it("takes new certificates by refresh_certs, and keeps the old ones if they are wrong", () =>
    withTemporaryDirectory(async (directory) => {
      install(directory, "node");
      const { sslChainCert: cert, sslKey: key, sslCaCert: ca } = pathsIn(directory);
      const cluster = await startCluster({ runtime: quiet, tls: { cert, key, ca } });
      const address = addressOf(cluster);
      const before = await TextClient.connect(quiet, address, testTlsClient());
      assertEquals(before.peerName, "node");
      install(directory, "renewed");
      assertEquals(await before.ask("refresh_certs\r\n"), "OK\r\n");
      const after = await TextClient.connect(quiet, address, testTlsClient());
      assertEquals(after.peerName, "renewed");
      writeFileSync(join(directory, "key.pem"), "no key\n");
      assertEquals(
        await before.ask("refresh_certs noreply\r\n"),
        `Error option "ssl-key": "${join(directory, "key.pem")}" contains no PEM "PRIVATE KEY"\r\n`,
      );
      const later = await TextClient.connect(quiet, address, testTlsClient());
      assertEquals(later.peerName, "renewed");
      assertEquals(await before.ask("set key 0 0 5\r\nvalue\r\n"), "STORED\r\n");
      // The index server reads its own.
      const index = await TextClient.connect(quiet, cluster.indexAddress, testTlsClient());
      assertEquals(index.peerName, "node");
      install(directory, "renewed");
      assertEquals(await index.ask("refresh_certs\r\n"), "OK\r\n");
      for (const client of [before, after, later, index]) client.close();
      await cluster.stop();
    }));

  it("lets those run admin commands whose certificate it trusts, and whoever comes to the admin address by TLS", async () => {
    const adminPort = await freePorts(1);
    const cluster = await startCluster({
      runtime: quiet,
      tls: { ...testServerTls("node"), clientCert: "optional" },
      access: { adminAccess: "cert:operator,cert:node" },
      node: { adminAddress: `${HOST}:${adminPort}` },
    });
    const address = addressOf(cluster);
    const nobody = await TextClient.connect(quiet, address, testTlsClient());
    assertEquals(await nobody.ask("flush_all\r\n"), "CLIENT_ERROR flush_all not allowed\r\n");
    assertEquals(await nobody.ask("refresh_certs\r\n"), "CLIENT_ERROR refresh_certs not allowed\r\n");
    assertEquals(await nobody.ask("set key 0 0 5\r\nvalue\r\n"), "STORED\r\n");
    const operator = await TextClient.connect(quiet, address, testTlsClient("operator"));
    assertEquals(await operator.ask("flush_all\r\n"), "OK\r\n");
    const admin = await TextClient.connect(quiet, { host: HOST, port: adminPort }, testTlsClient());
    assertEquals(admin.peerName, "node");
    assertEquals(await admin.ask("refresh_certs\r\n"), "OK\r\n");
    // Vouched for, but somebody else; and one who calls himself so, for whom nobody vouches.
    const other = await TextClient.connect(quiet, address, testTlsClient("renewed"));
    assertEquals(await other.ask("flush_all\r\n"), "CLIENT_ERROR flush_all not allowed\r\n");
    assertEquals(await other.ask("get key\r\n"), "END\r\n");
    const impostor = await TextClient.connect(quiet, address, testTlsClient("stranger")).catch(() => undefined);
    if (impostor !== undefined) assertEquals(await impostor.ask("flush_all\r\n"), "");
    for (const client of [nobody, operator, admin, other, impostor]) client?.close();
    await cluster.stop();
  });

  it("takes no certificate for a name where none is asked for", async () => {
    const options = { indexDb: "memory://", bind: HOST, serverName: HOST, serverPort: 0, adminAccess: "cert:operator" };
    const index = await startIndexServer({ runtime: quiet, ...options, tls: { ...testServerTls("node"), clientCert: "none" } });
    const [address] = index.addresses;
    assert(address !== undefined);
    for (const name of ["operator", "stranger"] as const) {
      const client = await TextClient.connect(quiet, address, testTlsClient(name));
      assertEquals(await client.ask("kill 999999\r\n"), "CLIENT_ERROR kill not allowed\r\n", name);
      client.close();
    }
    await index.stop();
  });

  it("offers TLS at a port of its own beside a plain one", async () => {
    const port = await freePorts(1);
    const names = { runtime: quiet, bind: HOST, serverName: HOST, serverPort: 0 };
    await using index = await startIndexServer({ ...names, indexDb: "memory://" });
    await using node = await startNodeServer({
      ...names,
      indexServers: [index.address],
      storageType: "memory",
      tls: { ...testServerTls("node"), port },
    });
    using admin = new ClusterAdmin({ runtime: quiet, indexServer: index.address });
    const master = masterChange([{ node: node.key, balance: 1, partition: 0 }], { activate: true });
    for await (const _ of admin.carryOut(master));
    const plain = await TextClient.connect(quiet, node.address);
    assertEquals(await plain.ask("set key 0 0 5\r\nvalue\r\n"), "STORED\r\n");
    const secure = await TextClient.connect(quiet, { host: HOST, port }, testTlsClient());
    assertEquals(secure.peerName, "node");
    assertEquals(await secure.ask("get key\r\n", /END\r\n$/), "VALUE key 0 5\r\nvalue\r\nEND\r\n");
    plain.close();
    secure.close();
  });
});

describe("a node that speaks no TLS", () => {
  it("closes the connection of a client that does", async () => {
    const cluster = await startCluster({ runtime: quiet });
    const address = addressOf(cluster);
    assert("port" in address);
    // Whether its first message happens to hold a line end is up to chance, so a few of them.
    for (let i = 0; i < 10; i++) {
      const socket = tls.connect({ host: HOST, port: address.port, ca: AUTHORITY });
      const error = await new Promise<Error>((resolve) => socket.on("error", resolve));
      assert(!/timed? ?out/i.test(error.message), error.message);
    }
    const plain = await TextClient.connect(quiet, address);
    assertEquals(await plain.ask("refresh_certs\r\n"), "Error TLS not enabled\r\n");
    const figures = await plain.ask("stats\r\n", /END\r\n$/);
    assert(!figures.includes("ssl_"), figures);
    assertStringIncludes(await plain.ask("stats settings\r\n", /END\r\n$/), "STAT ssl_enabled no\r\n");
    await waitUntil(async () => (await figure(plain, "curr_connections")) === 2, "they are gone");
    plain.close();
    await cluster.stop();
  });
});
