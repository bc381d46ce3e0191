/**
 * A master with replicas that are played: which requests they get, and when its clients are answered. Covers
 * lib/replication/stream/replica_stream.ts, lib/replication/stream/replica_streams.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { parseBlock } from "../../../../lib/protocol/stream_request.ts";
import { BAD_LINE } from "../../../../lib/protocol/text/refusal_lines.ts";
import { readBlock } from "../../../../lib/storage/log/log_block.ts";
import { agrees, type PlayedHost, PlayedNode } from "../../../support/played_node.ts";

const SLAVE = "127.0.0.1:2002";
const OTHER = "127.0.0.1:2003";
const PAIR = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];
const SYNC = { replicationType: "sync" } as const;

/** `set a` of a block's records, in order; other requests as their first words. */
function told(request: string): string {
  const [line = ""] = request.split("\r\n", 1);
  const words = line.replace(/^<[^>]*>/, "").split(" ");
  if (words[0] !== "block") return words[0] === "stream" ? words.slice(0, 1).concat(words.slice(2)).join(" ") : line;
  const block = parseBlock(words.slice(1));
  assert(block !== undefined);
  const records: string[] = [];
  readBlock({ ...block, bytes: fromLatin1(request.slice(line.length + 2, -2)) }, (reader) => {
    records.push(`${latin1(reader.bytes, reader.keyStart, reader.keyEnd)} v${reader.version}`);
  });
  return `block ${block.firstSequence}: ${records.join(", ")}`;
}

/** The requests of a host, without the beacons. */
function toldTo(host: PlayedHost): string[] {
  return host.requests.filter((request) => !request.includes(">beacon ")).map(told);
}

/** A slave that follows; it stores blocks while `stores`, else it answers what that says. */
function following(
  host: PlayedHost,
  answers: { stream?: string | undefined; block?: string | undefined; beacon?: string | undefined } = {},
): typeof answers {
  host.knowsStreams = true;
  host.answer = (request) => {
    if (request.includes(">stream ")) return "stream" in answers ? answers.stream : "OK\r\n";
    if (request.includes(">beacon ")) return "beacon" in answers ? answers.beacon : "OK\r\n";
    return "block" in answers ? answers.block : "OK\r\n";
  };
  return answers;
}

async function master(nodes = PAIR, options = {}): Promise<PlayedNode> {
  const node = new PlayedNode();
  for (const key of [SLAVE, OTHER]) following(node.host(key));
  await node.start(nodes, options);
  await node.network.settle();
  return node;
}

describe("a master", () => {
  it("sends the changes of a turn as one block, from the moment a slave follows", async () => {
    const node = await master();
    assertEquals(await node.ask("set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\ndelete a\r\n"), "STORED\r\nSTORED\r\nDELETED\r\n");
    await node.ask("set a 0 0 1\r\n2\r\n");
    assertEquals(toldTo(node.host(SLAVE)), ["stream", "block 1: a v1, b v1, a v1", "block 4: a v2"]);
    assertMatch(node.host(SLAVE).requests[0] ?? "", /^<127\.0\.0\.1:2001>stream [0-9a-f]{16}\r\n$/);
    await node.stop();
  });

  it("answers a synchronous write when the slave has it, an asynchronous one before", async () => {
    for (const [options, words] of [
      [SYNC, ["", "sync", "async"]],
      [{}, ["sync", "", "async"]],
    ] as const) {
      const node = await master(PAIR, options);
      const slave = node.host(SLAVE);
      following(slave, { block: undefined });
      const [waiting, ...others] = await Promise.all(words.map((word) => node.send(`set ${word}k 0 0 1 ${word}\r\n1\r\n`)));
      const heard = others.map(({ received }) => received);
      assertEquals([waiting?.received, heard.at(-1)], ["", "STORED\r\n"]);
      slave.connections.at(-1)?.send("OK\r\n".repeat(slave.requests.length - 1));
      await node.network.settle();
      assertEquals(
        [waiting, ...others].map((far) => far?.received),
        ["STORED\r\n", "STORED\r\n", "STORED\r\n"],
      );
      await node.stop();
    }
  });

  it("waits for every slave", async () => {
    const node = await master([...PAIR, "2003 1 0 0 1 18"], SYNC);
    following(node.host(OTHER), { block: undefined });
    const client = await node.send("set a 0 0 1\r\n1\r\n");
    assertEquals(client.received, "");
    node.host(OTHER).connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });

  it("sends lines to a slave that does not know the stream, and to one that has not answered yet", async () => {
    for (const answer of ["ERROR\r\n", "CLIENT_ERROR what\r\n", undefined]) {
      const node = new PlayedNode();
      const slave = node.host(SLAVE);
      slave.knowsStreams = true;
      slave.answer = (request) => (request.includes(">stream ") ? answer : "STORED\r\n");
      await node.start(PAIR);
      await node.ask("set a 0 0 1\r\n1\r\n");
      assertEquals(toldTo(slave), ["stream", "<127.0.0.1:2001>set a 0 0 1 1"], answer);
      await node.stop();
    }
  });

  it("says no number of partitions to a slave of an earlier build that refuses it", async () => {
    const node = new PlayedNode();
    const slave = node.host(SLAVE);
    following(slave);
    const { answer } = slave;
    const beacons = () =>
      slave.requests.filter((request) => request.includes(">beacon ")).map((text) => text.split(" ").length);
    slave.answer = (request) =>
      request.includes(">beacon ") && request.split(" ").length > 8 ? `${BAD_LINE}\r\n` : answer(request);
    await node.start(PAIR);
    await node.network.passUntil(() => beacons().length > 4, 10_000);
    assertEquals([beacons()[0], ...beacons().slice(-2)], [9, 8, 8]);
    await node.stop();
  });

  it("asks a slave again that refuses, and keeps for it what is written until it agrees", async () => {
    const node = new PlayedNode();
    const slave = node.host(SLAVE);
    const answers = following(slave, { stream: "AGAIN not yet\r\n" });
    await node.start(PAIR);
    await node.ask("set a 0 0 1\r\n1\r\n");
    assertEquals(toldTo(slave), ["stream"]);
    answers.stream = "OK\r\n";
    await node.network.passUntil(() => toldTo(slave).length > 2, 1000);
    await node.ask("set a 0 0 1\r\n2\r\n");
    assertEquals(toldTo(slave), ["stream", "stream", "block 1: a v1", "block 2: a v2"]);
    await node.stop();
  });

  it("goes over to blocks once the lines before them are answered", async () => {
    const node = new PlayedNode();
    const slave = node.host(SLAVE);
    const answers = following(slave, { stream: undefined, block: undefined });
    await node.start(PAIR);
    const stream = slave.connections.at(-1);
    await node.ask("set a 0 0 1\r\n1\r\n");
    const line = slave.connections.at(-1);
    stream?.send("OK\r\n");
    await node.network.settle();
    await node.ask("set a 0 0 1\r\n2\r\n");
    assertEquals(toldTo(slave), ["stream", "<127.0.0.1:2001>set a 0 0 1 1"]);
    delete answers.block;
    line?.send("STORED\r\n");
    await node.network.passUntil(() => toldTo(slave).length > 2, 1000);
    assertEquals(toldTo(slave).slice(2), ["block 2: a v2"]);
    await node.stop();
  });

  it("goes on where it was when the connection breaks or a block is refused, and never with a gap", async () => {
    for (const trouble of ["break", "refusal"]) {
      const node = await master(PAIR, SYNC);
      const slave = node.host(SLAVE);
      const answers = following(slave);
      await node.ask("set a 0 0 1\r\n1\r\n");
      answers.block = trouble === "break" ? undefined : "SERVER_ERROR out of memory storing object\r\n";
      const clients = [await node.send("set a 0 0 1\r\n2\r\n"), await node.send("set a 0 0 1\r\n3\r\n")];
      if (trouble === "break") slave.connections.at(-1)?.close();
      delete answers.block;
      slave.requests.length = 0;
      await node.network.passUntil(() => clients.every(({ received }) => received !== ""), 2000);
      assertEquals(toldTo(slave), ["stream 2", "block 2: a v2", "block 3: a v3"]);
      assertEquals(
        clients.map(({ received }) => received),
        ["STORED\r\n", "STORED\r\n"],
      );
      await node.stop();
    }
  });

  it("sends no block on a connection on which the slave has not agreed", async () => {
    const node = await master();
    const slave = node.host(SLAVE);
    const answers = following(slave);
    await node.ask("set a 0 0 1\r\n1\r\n");
    answers.stream = "ERROR\r\n";
    slave.connections.at(-1)?.close();
    slave.requests.length = 0;
    await node.network.passUntil(() => slave.requests.length > 0, 2000);
    await node.ask("set a 0 0 1\r\nx\r\n");
    assert(
      slave.requests.every((request) => !request.includes("block")),
      JSON.stringify(slave.requests),
    );
    await node.stop();
  });

  it("keeps no stream to a node that is no slave any more", async () => {
    const node = await master();
    const slave = node.host(SLAVE);
    await node.push(2, ["2001 0 0 0 1 16", "2002 2 0 -1 0 17"]);
    await node.ask("set a 0 0 1\r\n1\r\n");
    assertEquals(toldTo(slave), ["stream"]);
    assert(slave.connections.every(({ closed }) => closed));
    await node.stop();
  });
});

describe("a new master whose index server keeps in-sync sets", () => {
  const REMOVAL = "node state 127.0.0.1 2002 prepare 0\r\n";

  async function withSets(slave: (host: PlayedHost) => void, options: object = SYNC): Promise<PlayedNode> {
    const node = new PlayedNode();
    node.keepsInSyncSet = true;
    // The name of its log.
    node.network.draws.push(...Array.from({ length: 100 }, (_, i) => i + 1));
    slave(node.host(SLAVE));
    await node.start(PAIR, options);
    return node;
  }

  const removals = ({ index }: PlayedNode): string[] => index.requests.filter((request) => request.startsWith("node state"));

  it("takes out a slave of which it does not know that it has the same", async () => {
    for (const answer of ["OK\r\n", "OK 0123456789abcdef 7\r\n"]) {
      const node = await withSets((host) => void following(host, { stream: answer }));
      await node.network.settle();
      assertEquals(removals(node), [REMOVAL], answer);
      await node.stop();
    }
  });

  it("shows no write in doubt that a slave may lack, until it is out, or says that it has it", async () => {
    for (const has of [1, 2]) {
      let stream: (request: string) => string | undefined = agrees;
      let block = "OK\r\n";
      const node = await withSets((host) => {
        host.knowsStreams = true;
        host.answer = (request) =>
          request.includes(">stream ") ? stream(request) : request.includes(">beacon ") ? "OK\r\n" : block;
      });
      await node.network.settle();
      assertEquals(await node.ask("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
      node.network.unreachable.add("127.0.0.1:2000");
      block = "SERVER_ERROR disk full\r\n";
      stream = (request) => agrees(request).replace(" 0\r", ` ${has}\r`);
      const writer = await node.send("set a 0 0 1\r\n2\r\n");
      // The slave's lease has ended, too, by then.
      await node.network.pass(9000);
      assertMatch(writer.received, /^SERVER_ERROR in doubt: .*no index server has taken it out|^STORED/);
      const shown = "VALUE a 0 1\r\n2\r\nEND\r\n";
      assertEquals((await node.ask("get a\r\n")) === shown, has === 2);
      node.network.unreachable.delete("127.0.0.1:2000");
      await node.network.pass(3000);
      assertEquals([await node.ask("get a\r\n"), removals(node).length], [shown, 1]);
      await node.stop();
    }
  });

  it("makes way for a slave that has writes which were lost here, and executes none until then", async () => {
    const node = await withSets((host) => void following(host, { stream: undefined }));
    const slave = node.host(SLAVE);
    const client = await node.send("set a 0 0 1\r\n1\r\n");
    const [, history] = / ([0-9a-f]{16})\r/.exec(slave.requests[0] ?? "") ?? [];
    following(slave, { stream: `OK ${history} 7\r\n` });
    slave.connections.at(-1)?.send(`OK ${history} 7\r\n`);
    await node.network.pass(1000);
    assertEquals(
      node.index.requests.filter((request) => request.startsWith("shutdown")),
      ["shutdown 127.0.0.1 2001\r\n"],
    );
    assertEquals([removals(node), client.received, toldTo(slave).slice(0, 2)], [[], "", ["stream", "stream"]]);
    assert(toldTo(slave).every((request) => request === "stream"));
    assert(node.network.logged.some((line) => line.includes("has writes that this node has lost")));
    await node.stop();
  });

  it("continues where a slave says it is, and executes a write only then", async () => {
    const node = await withSets((host) => void following(host, { stream: undefined }));
    const slave = node.host(SLAVE);
    const client = await node.send("set a 0 0 1\r\n1\r\n");
    const [, history] = / ([0-9a-f]{16})\r/.exec(slave.requests[0] ?? "") ?? [];
    following(slave);
    assertEquals([client.received, toldTo(slave)], ["", ["stream"]]);
    slave.connections.at(-1)?.send(`OK ${history} 0\r\n`);
    await node.network.passUntil(() => client.received !== "", 1000);
    assertEquals(toldTo(slave), ["stream", "stream 1", "block 1: a v1"]);
    assertEquals([client.received, removals(node)], ["STORED\r\n", []]);
    await node.stop();
  });
});
