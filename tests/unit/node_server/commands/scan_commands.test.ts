/**
 * Scans of one node among others that are played: what it asks them, makes of their answers, and tells them.
 *
 * Covers lib/node_server/commands/key_listings.ts and lib/node_server/scan/cluster_scan.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { PlayedNode } from "../../../support/played_node.ts";

const MASTER = "127.0.0.1:2002";
const SLAVE = "127.0.0.1:2003";
const PROXY = ["2001 2 0 -1 0 16", "2002 0 0 0 0 17", "2003 1 0 0 1 18"];
const SCAN = "0123456789abcdef";

/** Answers to scans; everything else is a write or a question whether meta commands are known. */
function scans(answer: (request: string) => string): (request: string) => string {
  return (request) => (request === "mn\r\n" ? "MN\r\n" : request.includes("scan ") ? answer(request) : "HD\r\n");
}

describe("a page", () => {
  it("is asked of a replica as its own part, and of the masters for a deletion", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    for (const key of [MASTER, SLAVE]) node.host(key).answer = scans(() => "KEY YQ== 1 2 3 4 b a5 h\r\nEND\r\n");
    assertEquals(await node.ask("scan 5 pa v\r\n"), "VALUE a 1 2 3 4\r\n\r\nEND\r\n");
    assertMatch(node.host(SLAVE).requests.join(""), /^<127\.0\.0\.1:2001>scan 5 b pYQ== c[0-9a-f]{16}- v P0\/1\r\n$/);
    assertEquals(node.host(MASTER).requests, []);
    assertEquals(await node.ask("delete_prefix 5 pa\r\n"), "DELETED 1\r\n");
    assertEquals(node.host(SLAVE).requests.length, 1);
    assertEquals(node.host(MASTER).requests.at(-1), "<127.0.0.1:2001>md YQ== b\r\n");
    await node.stop();
  });

  it("is requested from the next replica when one does not know scans, is unreachable, or answers nonsense", async () => {
    for (const answer of ["ERROR\r\n", "SERVER_ERROR the node map is changing\r\n", "NEXT x\r\n", "KEY a\r\nEND\r\n"]) {
      const node = new PlayedNode();
      await node.start(PROXY);
      node.host(SLAVE).answer = scans(() => answer);
      node.host(MASTER).answer = scans(() => "KEY YQ== 1 2 3 4 b\r\nEND\r\n");
      assertEquals(await node.ask("scan 5\r\n"), "KEY a 1 2 3 4\r\nEND\r\n", answer);
      await node.stop();
    }
    const node = new PlayedNode();
    await node.start(PROXY);
    node.network.unreachable.add(SLAVE);
    node.host(MASTER).answer = scans(() => "END\r\n");
    const client = await node.send("scan 5\r\n");
    await node.network.pass(100);
    assertEquals(client.received, "END\r\n");
    await node.stop();
  });

  it("fails when no node of a partition can scan, as in a cluster of the original", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    for (const key of [MASTER, SLAVE]) node.host(key).answer = scans(() => "ERROR\r\n");
    const text = 'SERVER_ERROR partition 0 cannot be scanned: node "127.0.0.1:2002" does not know scans\r\n';
    assertEquals(await node.ask("scan 5\r\n"), text);
    assertEquals(await node.ask("delete_prefix 5 pa\r\n"), text);
    assertEquals(await node.ask("lru_crawler metadump all\r\n"), text);
    await node.stop();
  });

  it("is retried while the maps differ, but not for ever", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const changing = "SERVER_ERROR the node map is changing\r\n";
    let refusals = 6;
    for (const key of [MASTER, SLAVE]) {
      node.host(key).answer = scans(() => (refusals-- > 0 ? changing : "END\r\n"));
    }
    const patient = await node.send("scan 5\r\n");
    await node.network.pass(1000);
    assertEquals(patient.received, "END\r\n");
    refusals = Number.POSITIVE_INFINITY;
    const hopeless = await node.send("scan 5\r\n");
    await node.network.pass(2000);
    assertEquals(hopeless.received, "");
    await node.network.pass(2000);
    assertMatch(hopeless.received, /^SERVER_ERROR partition 0 cannot be scanned: [^\r]*is changing"\r\n$/);
    await node.stop();
  });

  it("that makes no progress is refused", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    for (const key of [MASTER, SLAVE]) node.host(key).answer = scans(() => `NEXT ${SCAN}-YQ\r\n`);
    assertMatch(await node.ask("scan 5\r\n"), /^NEXT [0-9a-f]{16}-YQ\r\n$/);
    const answer = await node.ask(`scan 5 c${SCAN}-YQ\r\n`);
    assertMatch(answer, /^SERVER_ERROR partition 0 cannot be scanned: .* sent a malformed page\r\n$/);
    await node.stop();
  });
});

describe("a node that forwards everything to another cluster", () => {
  it("scans and deletes there", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16"], {
      clusterReplication: true,
      clusterReplicationMode: "forward",
      clusterReplicationServerName: "127.0.0.1",
      clusterReplicationServerPort: 3000,
    });
    const other = node.host("127.0.0.1:3000");
    other.answer = scans(() => `KEY YQ== 1 2 3 4 b\r\nNEXT ${SCAN}-YQ\r\n`);
    assertMatch(await node.ask("scan 5 pa\r\n"), /^KEY a 1 2 3 4\r\nNEXT [0-9a-f]{16}-YQ\r\n$/);
    assertMatch(other.requests[0] ?? "", /^scan 5 b pYQ== c[0-9a-f]{16}-\r\n$/);
    assertMatch(await node.ask("delete_prefix 5 pa\r\n"), /^MORE 1 [0-9a-f]{16}-YQ\r\n$/);
    assertEquals(other.requests.at(-1), "md YQ== b\r\n");
    await node.stop();
  });
});

describe("a part", () => {
  it("is given only to nodes that see the same partitions", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16"]);
    assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
    assertMatch(await node.ask(`<${MASTER}>scan 5 b c${SCAN}- P0/1\r\n`), /^KEY YQ== 0 1 1 0 b a\d+\r\nEND\r\n$/);
    for (const part of ["P0/2", "P1/2"]) {
      assertEquals(await node.ask(`<${MASTER}>scan 5 b c${SCAN}- ${part}\r\n`), "SERVER_ERROR the node map is changing\r\n");
    }
    assertEquals(await node.ask(`<${MASTER}>scan 5 b\r\n`), "CLIENT_ERROR invalid or duplicate flag\r\n");
    assertEquals(await node.ask("scan 5 P0/1\r\n"), "CLIENT_ERROR invalid or duplicate flag\r\n");
    await node.stop();
  });

  it("is refused by a node that is not a replica, or not yet", async () => {
    for (const self of ["2001 2 0 -1 0 16", "2001 1 1 0 0 16"]) {
      const node = new PlayedNode();
      await node.start([self, "2002 0 0 0 1 17"]);
      assertEquals(await node.ask(`<${MASTER}>scan 5 P0/1\r\n`), "SERVER_ERROR the node map is changing\r\n", self);
      await node.stop();
    }
  });

  it("is not given when the map has changed while it was read", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16"]);
    const asking = node.network.dial(node.key, MASTER);
    const index = node.network.dial(node.key, "127.0.0.1:2000");
    await node.network.settle();
    asking.send(`<${MASTER}>scan 5 b c${SCAN}- P0/1\r\n`);
    index.send("node sync 2\r\nNODE 127.0.0.1 2001 0 0 0 1 16\r\nNODE 127.0.0.1 2003 1 0 0 1 18\r\nEND\r\n");
    await node.network.settle();
    assertEquals([asking.received, index.received], ["SERVER_ERROR the node map is changing\r\n", "OK\r\n"]);
    await node.stop();
  });

  it("is prepared for again with another map, whose data may have come later", async () => {
    const node = new PlayedNode();
    const server = await node.start(["2001 0 0 0 1 16"]);
    const request = `<${MASTER}>scan 5 b c${SCAN}- P0/1\r\n`;
    const { checkpoints } = server.storage.stats();
    await node.ask(request);
    await node.ask(request);
    assertEquals(server.storage.stats().checkpoints, checkpoints + 1);
    await node.push(2, ["2001 0 0 0 1 16", "2003 1 0 0 1 18"]);
    await node.ask("set a 0 0 1 noreply\r\n1\r\n");
    assertMatch(await node.ask(request), /^KEY YQ== /);
    assertEquals(server.storage.stats().checkpoints, checkpoints + 2);
    await node.stop();
  });
});

describe("a deletion by prefix", () => {
  it("tells what is in doubt, and how much is done", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    const page = "KEY YTE= 0 1 1 0 b\r\nKEY YTI= 0 1 1 0 b\r\nKEY YTM= 0 1 1 0 b\r\nEND\r\n";
    node.host(MASTER).answer = (request) => {
      if (request === "mn\r\n") return "MN\r\n";
      if (request.includes("scan ")) return page;
      return request.includes("YTI=") ? "SERVER_ERROR proxy error\r\n" : request.includes("YTM=") ? "NF\r\n" : "HD\r\n";
    };
    assertEquals(await node.ask("delete_prefix 9 pa\r\n"), "SERVER_ERROR in doubt: 1 deleted, then proxy error\r\n");
    node.host(MASTER).answer = scans(() => page);
    assertEquals(await node.ask("delete_prefix 9 pa\r\n"), "DELETED 3\r\n");
    await node.stop();
  });
});

describe("listings", () => {
  it("are refused while as many as there may be wait for their pages", async () => {
    const node = new PlayedNode();
    await node.start(PROXY);
    for (const key of [MASTER, SLAVE]) node.host(key).answer = () => undefined;
    const waiting = [];
    for (let i = 0; i < 8; i++) waiting.push(await node.send("lru_crawler metadump all\r\n"));
    assertEquals(await node.ask("lru_crawler metadump all\r\n"), "BUSY currently processing crawler request\r\n");
    assertEquals(await node.ask("stats cachedump 1 0\r\n"), "BUSY currently processing crawler request\r\n");
    assert(waiting.every(({ received }) => received === ""));
    await node.stop();
  });

  it("follow their settings, which stats settings shows", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16"]);
    const told = async (): Promise<string[]> =>
      (await node.ask("stats settings\r\n")).split("\r\n").filter((line) => line.startsWith("STAT lru_crawler"));
    assertEquals(await told(), ["STAT lru_crawler yes", "STAT lru_crawler_sleep 100", "STAT lru_crawler_tocrawl 0"]);
    for (const words of ["sleep 500000", "tocrawl 7"]) assertEquals(await node.ask(`lru_crawler ${words}\r\n`), "OK\r\n");
    await node.ask("lru_crawler disable\r\n");
    assertEquals(await told(), ["STAT lru_crawler no", "STAT lru_crawler_sleep 500000", "STAT lru_crawler_tocrawl 7"]);
    await node.ask("lru_crawler enable\r\n");
    // Half a second after a thousand items is a millisecond after two.
    const sets = Array.from({ length: 1000 }, (_, i) => `set k${i} 0 0 1 noreply\r\nx\r\n`);
    await node.ask(sets.join(""));
    const reader = await node.send("lru_crawler mgdump all\r\n");
    await node.network.pass(200);
    assert(!reader.received.endsWith("EN\r\n"));
    await node.network.pass(400);
    assertEquals(reader.received.split("\r\n").length, 1002);
    await node.stop();
  });
});
