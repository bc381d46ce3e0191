/**
 * HTTP at every port of a cluster, over real sockets: nodes, a proxy, the index server, the admin address, ports that speak
 * TLS, before a login and behind one. Each connection is closed without an answer, and nothing has changed afterwards.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Address, TlsClient } from "../../lib/runtime/runtime.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { type Cluster, startCluster } from "../../mod.ts";
import { httpConnection } from "../fuzz/http_grammar.ts";
import { ClosedCluster, connectAs, loginOf, recordingRuntime } from "../support/access_world.ts";
import { freePorts } from "../support/free_ports.ts";
import { testServerTls, testTlsClient } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const { runtime, lines } = await recordingRuntime();
const HOST = "127.0.0.1";
const SAMPLE = 60;
const BEFORE = "set victim 0 0 4\r\ngood\r\n";
const UNCHANGED = "VALUE victim 0 4 1\r\ngood\r\nEND\r\n";

/** Says HTTP, behind what opens the door if there is a door, and gives what was answered. */
async function sayHttp(address: Address, text: string, opening: { tls?: TlsClient; login?: string }): Promise<string> {
  const client = await TextClient.connect(runtime, address, opening.tls);
  if (opening.login !== undefined) assertEquals(await client.ask(opening.login), "STORED\r\n");
  // The other side may have closed before all of it is said.
  void client.send(text);
  await client.until(() => false, 5000);
  assert(client.closed, `left open after ${JSON.stringify(text)}`);
  client.close();
  return client.received;
}

async function rejected(client: TextClient): Promise<number> {
  const stats = await client.ask("stats\r\n", /END\r\n$/);
  return Number(/^STAT rejected_http_requests (\d+)\r$/m.exec(stats)?.[1]);
}

/** A sample of requests at each address; all of them are counted by the server there. */
async function attack(addresses: readonly Address[], opening: { tls?: TlsClient; login?: string } = {}): Promise<void> {
  const random = new SimRandom("http at real sockets");
  for (const address of addresses) {
    for (let i = 0; i < SAMPLE; i++) {
      const text = httpConnection(random);
      assertEquals(await sayHttp(address, text, opening), "", text);
    }
  }
}

function indexOf(cluster: Cluster): Address {
  return cluster.indexAddress;
}

describe("HTTP", () => {
  it("commands neither a node, a proxy, the admin address nor the index server", async () => {
    const adminPort = await freePorts(1);
    const cluster = await startCluster({ runtime, node: { adminAddress: `${HOST}:${adminPort}` } });
    const [node] = cluster.addresses;
    assert(node !== undefined);
    const client = await TextClient.connect(runtime, node);
    const index = await TextClient.connect(runtime, indexOf(cluster));
    assertEquals(await client.ask(BEFORE), "STORED\r\n");
    const map = await index.ask("stats nodes\r\n", /END\r\n$/);
    await attack([node, { host: HOST, port: adminPort }, indexOf(cluster)]);
    assertEquals(await client.ask("gets victim\r\n", /END\r\n$/), UNCHANGED);
    assertEquals(await index.ask("stats nodes\r\n", /END\r\n$/), map);
    assertEquals(await rejected(client), 2 * SAMPLE);
    assertEquals(await rejected(index), SAMPLE);
    assert(lines.filter((line) => line.includes("spoke HTTP")).length <= 4, "the log is filled");
    assert(
      lines.some((line) => /^warning "127\.0\.0\.1:\d+" spoke HTTP and was disconnected/.test(line)),
      "the log says nothing",
    );
    for (const one of [client, index]) one.close();
    await cluster.stop();
  });

  it("commands no proxy, and what was asked in front of it is answered", async () => {
    const cluster = await startCluster({ runtime, nodes: 2 });
    const [, proxy] = cluster.addresses;
    assert(proxy !== undefined);
    const client = await TextClient.connect(runtime, proxy);
    assertEquals(await client.ask(BEFORE), "STORED\r\n");
    await attack([proxy]);
    assertEquals(await sayHttp(proxy, "gets victim\r\nPOST / HTTP/1.1\r\n\r\ndelete victim\r\n", {}), UNCHANGED);
    assertEquals(await client.ask("gets victim\r\n", /END\r\n$/), UNCHANGED);
    client.close();
    await cluster.stop();
  });

  it("commands nobody before a login and behind one", async () => {
    const closed = await ClosedCluster.start();
    const [node] = closed.cluster.addresses;
    assert(node !== undefined);
    const client = await connectAs(runtime, node, "alice", "secret");
    assertEquals(await client.ask(BEFORE), "STORED\r\n");
    const login = loginOf("alice", "secret");
    await attack([node, indexOf(closed.cluster)]);
    await attack([node], { login });
    assertEquals(await sayHttp(node, `POST / HTTP/1.1\r\nHost: a\r\n\r\n${login}delete victim\r\n`, {}), "");
    assertEquals(await client.ask("gets victim\r\n", /END\r\n$/), UNCHANGED);
    assert((await rejected(client)) >= SAMPLE + 1);
    client.close();
    await closed.stop();
  });

  it("commands nobody by TLS", async () => {
    const cluster = await startCluster({
      runtime,
      tls: testServerTls("node"),
    });
    const [node] = cluster.addresses;
    assert(node !== undefined);
    const tls = testTlsClient();
    const client = await TextClient.connect(runtime, node, tls);
    assertEquals(await client.ask(BEFORE), "STORED\r\n");
    await attack([node, indexOf(cluster)], { tls });
    assertEquals(await client.ask("gets victim\r\n", /END\r\n$/), UNCHANGED);
    assertEquals(await rejected(client), SAMPLE);
    client.close();
    await cluster.stop();
  });
});
