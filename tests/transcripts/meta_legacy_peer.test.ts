/**
 * A cluster with a node that knows nothing but text, as the C++ Flare: what comes as meta or binary is said in text where
 * that means the same, and refused where it does not; a value never reaches it as commands.
 *
 * Covers lib/node_server/forward/ask_item.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { base64 } from "../../lib/base/base64.ts";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { Opcode } from "../../lib/protocol/binary/binary_protocol.ts";
import type { Address, Connection, ConnectionHandler, Listener, Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime, type IndexServer, type NodeServer, startIndexServer, startNodeServer } from "../../mod.ts";
import { describeReplies, packet, words } from "../support/binary_packets.ts";
import { TextClient } from "../support/text_client.ts";

/** Answers what it knows and remembers every line but pings and node maps. */
class LegacyNode {
  readonly lines: string[] = [];

  accept(connection: Connection): ConnectionHandler {
    let held = "";
    return {
      onOpen: () => undefined,
      onData: (chunk) => {
        held += latin1(chunk);
        for (let end = held.indexOf("\r\n"); end >= 0; end = held.indexOf("\r\n")) {
          const line = held.slice(0, end);
          held = held.slice(end + 2);
          connection.write(fromLatin1(this.#answer(line)));
        }
      },
      onDrain: () => undefined,
      onEnd: () => connection.close(),
      onClose: () => undefined,
    };
  }

  #answer(line: string): string {
    if (line === "ping") return "OK\r\n";
    if (line === "END") return "OK\r\n";
    if (line.startsWith("node sync") || line.startsWith("NODE ")) return "";
    if (/^(?:<.*>(?:stream|forward|lane)|lane meet) /.test(line)) return "ERROR\r\n";
    this.lines.push(line.replace(/^<[^>]*>/, "<…>"));
    const word = line.replace(/^<[^>]*>/, "").split(" ")[0];
    if (word === "gets") return "VALUE k 7 2 9\r\nab\r\nEND\r\n";
    if (word === "set" || word === "cas") return "";
    if (word === "incr") return "15\r\n";
    if (word === "delete") return "DELETED\r\n";
    return line === "ab" ? "STORED\r\n" : "ERROR\r\n";
  }
}

describe("a node that knows only text", () => {
  const legacy = new LegacyNode();
  let runtime: Runtime;
  let index: IndexServer;
  let node: NodeServer;
  let listener: Listener;
  let client: TextClient;

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    listener = await runtime.transport.listen({ host: "127.0.0.1", port: 0 }, (connection) => legacy.accept(connection));
    index = await startIndexServer({
      runtime,
      indexDb: "memory://",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
    });
    const address = index.addresses[0] as Address & { host: string; port: number };
    node = await startNodeServer({
      runtime,
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      indexServers: [address],
      storageType: "memory",
      replicationType: "sync",
    });
    client = await TextClient.connect(runtime, { host: "127.0.0.1", port: node.address.port });
  });

  after(async () => {
    client.close();
    await node.stop({ announce: false });
    await index.stop();
    await listener.close();
  });

  async function place(legacyRole: string, ourRole: string): Promise<void> {
    const port = "port" in listener.address ? listener.address.port : 0;
    const operator = await TextClient.connect(runtime, index.addresses[0] as Address);
    await operator.ask(`node add 127.0.0.1 ${port}\r\n`, /END\r\n$|ERROR[^\n]*\n$/);
    for (const [role, which] of [
      [legacyRole, port],
      [ourRole, node.address.port],
    ].sort()) {
      if (role !== "proxy") assertEquals(await operator.ask(`node role 127.0.0.1 ${which} ${role} 1 0\r\n`), "OK\r\n");
    }
    operator.close();
    while (!node.nodeMap.nodes.some((one) => one.port === port && one.partition === 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    legacy.lines.length = 0;
  }

  it("as a master is asked in text, and is spared what text cannot say", async () => {
    await place("master", "proxy");
    assertEquals(await client.ask("mg k v c f O1\r\n", /ab\r\n$/), "VA 2 c9 f7 O1\r\nab\r\n");
    assertEquals(await client.ask("mg k f s C9 v c\r\n"), "HD f7 s2 c9\r\n");
    assertEquals(await client.ask("mg k s C8 v\r\n", /ab\r\n$/), "VA 2 s2\r\nab\r\n");
    assertEquals(await client.ask("mg k s\r\n"), "HD s2\r\n");
    assertEquals(await client.ask("ms k 2 F3 q\r\nab\r\nmn\r\n", /MN\r\n$/), "MN\r\n");
    assertEquals(await client.ask("ma k D5 v\r\n", /15\r\n$/), "VA 2\r\n15\r\n");
    assertEquals(await client.ask("md k k\r\n"), "HD kk\r\n");
    const refused = "SERVER_ERROR the node that owns this key cannot execute this request\r\n";
    assertEquals(await client.ask("ms k 19 I C1\r\nflush_all\r\nquit\r\nxx\r\n"), refused);
    assertEquals(await client.ask("md k I\r\n"), refused);
    const encoded = base64(fromLatin1("k\r\nflush_all\r\n"));
    assertEquals(await client.ask(`ms ${encoded} 2 b\r\nab\r\n`), refused);
    await client.send(packet({ opcode: Opcode.get, key: "k" }));
    await client.until((received) => received.length >= 30);
    assertEquals(describeReplies(client.received), ['00 00 cas extras 00000007 "ab"']);
    client.received = "";
    await client.send(packet({ opcode: Opcode.set, extras: words(0, 0), key: "a b", value: "ab" }));
    await client.until((received) => received.length > 24);
    assertEquals(describeReplies(client.received), ['01 84 - "the node that owns this key cannot execute this request"']);
    client.received = "";
    const probes = legacy.lines.filter((line) => line === "mn").length;
    assert(probes > 0);
    assertEquals(
      legacy.lines.filter((line) => line !== "mn"),
      ["gets k", "gets k", "gets k", "gets k", "<…>set k 3 0 2", "ab", "<…>incr k 5", "<…>delete k 0", "gets k"],
    );
  });
});

describe("a replica that knows only text", () => {
  it("gets lines of text, and what it cannot hold is not taken", async () => {
    const legacy = new LegacyNode();
    const runtime = detectRuntime({ logLevel: "error" });
    const listener = await runtime.transport.listen({ host: "127.0.0.1", port: 0 }, (connection) => legacy.accept(connection));
    const port = "port" in listener.address ? listener.address.port : 0;
    const index = await startIndexServer({
      runtime,
      indexDb: "memory://",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
    });
    const address = index.addresses[0] as Address & { host: string; port: number };
    const node = await startNodeServer({
      runtime,
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      indexServers: [address],
      storageType: "memory",
      replicationType: "sync",
    });
    const operator = await TextClient.connect(runtime, address);
    await operator.ask(`node add 127.0.0.1 ${port}\r\n`, /END\r\n$/);
    assertEquals(await operator.ask(`node role 127.0.0.1 ${node.address.port} master 1 0\r\n`), "OK\r\n");
    assertEquals(await operator.ask(`node role 127.0.0.1 ${port} slave 1 0\r\n`), "OK\r\n");
    while (!node.nodeMap.nodes.some((one) => one.port === port && one.partition === 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    legacy.lines.length = 0;
    const client = await TextClient.connect(runtime, { host: "127.0.0.1", port: node.address.port });
    assertEquals(await client.ask("ms k 2 F3 c\r\nab\r\n"), "HD c1\r\n");
    assertEquals(await client.ask("md k I\r\n"), "HD\r\n");
    const refused = `SERVER_ERROR replica "127.0.0.1:${port}" cannot store a key with spaces or line ends\r\n`;
    assertEquals(await client.ask(`ms ${base64(fromLatin1("a b"))} 2 b\r\nab\r\n`), refused);
    assertEquals(await client.ask(`mg ${base64(fromLatin1("a b"))} b\r\n`), "EN\r\n");
    assertEquals(
      legacy.lines.filter((line) => line !== "mn"),
      ["<…>set k 3 0 2 1", "ab", "<…>set k 3 0 2 2", "ab"],
    );
    client.close();
    operator.close();
    await node.stop({ announce: false });
    await index.stop();
    await listener.close();
  });
});
