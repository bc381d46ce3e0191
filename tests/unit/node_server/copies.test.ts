/**
 * What a node does with the copies of writes that go to nodes which are about to get, or have got, another place.
 *
 * Covers lib/node_server/node_components.ts and lib/replication/dump_client.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { hashSimple } from "../../../lib/cluster/key_hash.ts";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import { PlayedNode } from "../../support/played_node.ts";

const SECOND = "127.0.0.1:2002";
const ALONE = ["2001 0 0 0 1 16", "2002 2 0 -1 0 17"];
const PREPARING = ["2001 0 0 0 1 16", "2002 0 1 1 1 17"];
const TWO = ["2001 0 0 0 1 16", "2002 0 0 1 1 17", "2003 2 0 -1 0 18"];

/** The first key that lies in the partitions named, of as many as stand in front of each. */
function keyIn(...places: readonly (readonly [count: number, partition: number])[]): string {
  const resolver = new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 });
  for (let number = 0; ; number++) {
    const bytes = new TextEncoder().encode(`key${number}`);
    const hash = hashSimple(bytes, 0, bytes.length);
    if (places.every(([count, partition]) => resolver.resolve(hash, count) === partition)) return `key${number}`;
  }
}

describe("a key that moves", () => {
  const key = keyIn([2, 1]);
  const set = `set ${key} 0 0 1\r\nx\r\n`;

  it("is answered for when its next owner has it", async () => {
    const node = new PlayedNode();
    await node.start(PREPARING);
    const next = node.host(SECOND);
    next.answer = () => undefined;
    const client = await node.send(set);
    assertEquals([client.received, next.requests], ["", [`<${node.key}>set ${key} 0 0 1 1\r\nx\r\n`]]);
    next.connections[0]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n");
    await node.stop();
  });

  for (const [what, probe, version] of [
    ["of the original, which takes no version", "ERROR\r\n", ""],
    ["of ours, in the version that was touched", "MN\r\n", " 1"],
  ] as const) {
    it(`is touched at its next owner ${what}, without waiting for more than the item`, async () => {
      const node = new PlayedNode();
      await node.start(ALONE);
      const next = node.host(SECOND);
      next.answer = (request) => (request === "mn\r\n" ? probe : "STORED\r\n");
      await node.ask(set);
      await node.push(2, PREPARING);
      assertEquals(await node.ask(`touch ${key} 4000000000\r\n`), "TOUCHED\r\n");
      await node.network.settle();
      assertEquals(next.requests, [
        `<${node.key}>set ${key} 0 4000000000 1 1\r\nx\r\n`,
        "mn\r\n",
        `<${node.key}>touch ${key} 4000000000${version} noreply\r\n`,
      ]);
      await node.stop();
    });
  }

  it("is not handed out by its former owner when it moves on", async () => {
    const node = new PlayedNode();
    const twice = keyIn([2, 1], [3, 2]);
    const once = keyIn([2, 0], [3, 2]);
    await node.start(ALONE);
    for (const each of [twice, once]) await node.ask(`set ${each} 0 0 1\r\nx\r\n`);
    await node.push(2, TWO);
    const client = await node.send("dump 0 2 3\r\n");
    await node.network.passUntil(() => client.received.endsWith("END\r\n"), 1000);
    assertEquals(client.received, `VALUE ${once} 0 1 1 0\r\nx\r\nEND\r\n`);
    await node.stop();
  });
});

describe("the deletions of a dump", () => {
  it("come only to a node that asks for them", async () => {
    const node = new PlayedNode();
    await node.start(ALONE);
    for (const key of ["a", "b"]) await node.ask(`set ${key} 0 0 1\r\nx\r\n`);
    await node.ask("delete a\r\n");
    const dump = async (command: string): Promise<string> => {
      const client = await node.send(`${command}\r\n`);
      await node.network.passUntil(() => /(END|ERROR)\r\n$/.test(client.received), 1000);
      return client.received;
    };
    const [item, deletion] = ["VALUE b 0 1 1 0\r\nx\r\nEND\r\n", /^VALUE a \d+ 0 1 0 D\r\n\r\n/];
    const complete = await dump(`<${SECOND}>dump 0 0 1 0 deletions`);
    assertEquals([deletion.test(complete), complete.replace(deletion, "")], [true, item]);
    assertEquals(await dump(`<${SECOND}>dump 0 0 1 0`), item);
    assertEquals([await dump("dump 0 0 1 0 deletions"), await dump("dump 0 0 1 0 more")], ["ERROR\r\n", "ERROR\r\n"]);
    await node.stop();
  });

  it("are copied, so that the versions of a deleted key go on; a newer item stays; others may not know them", async () => {
    for (const isKnown of [true, false]) {
      const node = new PlayedNode();
      await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
      const owner = node.host(SECOND);
      const items = "VALUE a 0 1 3 0\r\nx\r\nVALUE c 0 1 5 0\r\nx\r\n";
      const deletions =
        "VALUE a 1700000000 0 3 0 D\r\n\r\nVALUE b 1700000000 0 7 0 D\r\n\r\nVALUE c 1700000000 0 4 0 D\r\n\r\n";
      owner.answer = (request) => {
        if (request.endsWith(" deletions\r\n")) return isKnown ? `${items}${deletions}END\r\n` : "ERROR\r\n";
        if (request.includes("dump ")) return `${items}END\r\n`;
        return request.startsWith("node flush") ? "FLUSH 0\r\n" : "END\r\n";
      };
      await node.push(2, ["2001 0 1 1 0 16", "2002 0 0 0 1 17"]);
      await node.network.pass(1000);
      const dumps = owner.requests.filter((request) => request.includes("dump "));
      const asked = `<${node.key}>dump 0 1 2`;
      assertEquals(dumps, isKnown ? [`${asked} 0 deletions\r\n`] : [`${asked} 0 deletions\r\n`, `${asked}\r\n`]);
      await node.push(3, ["2001 0 0 0 1 16"]);
      const version = async (key: string): Promise<string> => {
        await node.ask(`set ${key} 0 0 1\r\ny\r\n`);
        return (await node.ask(`gets ${key}\r\n`)).split(/[ \r]/)[4] ?? "";
      };
      assertEquals([await version("a"), await version("b"), await version("c")], ["4", isKnown ? "8" : "1", "6"]);
      await node.stop();
    }
  });
});

describe("a copy that fails", () => {
  it("is made again by a node that cannot become a proxy, until it is complete or the node has another role", async () => {
    for (const [mended, ending] of [
      ["copy", "node state 127.0.0.1 2001 active\r\n"],
      ["index server", "node role 127.0.0.1 2001 proxy 0 -1\r\n"],
    ]) {
      const node = new PlayedNode();
      await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
      let isMended = false;
      const told: string[] = [];
      node.host(SECOND).answer = (request) => {
        if (request.startsWith("node flush")) return "FLUSH 0\r\n";
        if (!request.includes("dump ")) return "END\r\n";
        return isMended && mended === "copy" ? "END\r\n" : "SERVER_ERROR disk failure\r\n";
      };
      node.index.answer = (request) => {
        told.push(request);
        if (isMended || !request.startsWith("node role")) return "OK\r\n";
        return "SERVER_ERROR failed to set role (and balance)\r\n";
      };
      await node.push(2, ["2001 1 1 0 0 16", "2002 0 0 0 1 17"]);
      await node.network.pass(60_000);
      assert(told.filter((request) => request === "node role 127.0.0.1 2001 proxy 0 -1\r\n").length > 1);
      isMended = true;
      told.length = 0;
      await node.network.pass(20_000);
      assertEquals(
        told.filter((request) => request.startsWith("node ")),
        [ending],
      );
      await node.stop();
    }
  });
});

describe("a copy", () => {
  it("is not sent on by a node that does not know that it is a replica", async () => {
    const node = new PlayedNode();
    await node.start(["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 2 0 -1 0 18"]);
    for (const copy of ["set a 0 0 1 7\r\nx\r\n", "delete a 0 7\r\n"]) {
      assertEquals(await node.ask(`<127.0.0.1:2003>${copy}`), "SERVER_ERROR proxy failure\r\n");
    }
    assertEquals(node.host(SECOND).requests, []);
    await node.stop();
  });

  it("does not go back to its sender from a node that was the master itself until recently", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 1 0 0 1 17"]);
    await node.push(2, ["2001 2 0 -1 0 16", "2002 0 0 0 1 17"]);
    node.host(SECOND).requests.length = 0;
    for (const copy of ["set a 0 0 1 7\r\nx\r\n", "delete a 0 7\r\n"]) {
      assertEquals(await node.ask(`<${SECOND}>${copy}`), "SERVER_ERROR proxy failure\r\n");
    }
    assertEquals(node.host(SECOND).requests, []);
    await node.stop();
  });

  it("does not go once more to a replica that has sent it back by way of others", async () => {
    const node = new PlayedNode();
    await node.start(["2001 0 0 0 1 16", "2002 1 0 0 0 17", "2003 2 0 -1 0 18"]);
    await node.ask("set a 0 0 1\r\nx\r\n");
    node.host(SECOND).requests.length = 0;
    const way = `${node.key},${SECOND},127.0.0.1:2003`;
    assertEquals(await node.ask(`<${way}>touch a 4000000000\r\n`), "TOUCHED\r\n");
    assertEquals(node.host(SECOND).requests, []);
    await node.stop();
  });
});
