/**
 * A master among slaves that miss writes, and a slave that was taken out of the in-sync set: what they send to the index server
 * and to each other, and what a client hears.
 *
 * Covers lib/node_server/life/reconstructor.ts and lib/replication/in_sync_replicas.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { type PlayedHost, PlayedNode } from "../../support/played_node.ts";

const SLAVE = "127.0.0.1:2002";
const OTHER = "127.0.0.1:2003";
const PAIR = ["2001 0 0 0 1 16", "2002 1 0 0 1 17"];
const THREE = [...PAIR, "2003 1 0 0 1 18"];
/** The same when 2002 is out. */
const OUT = ["2001 0 0 0 1 16", "2002 1 1 0 1 17"];
const SET = "set a 0 0 1\r\nx\r\n";
const REMOVAL = "node state 127.0.0.1 2002 prepare 5\r\n";
const TIMEOUT_MS = 5000;

/** A master with the map of version 5, `sync` unless told otherwise, whose index server keeps in-sync sets. */
async function startMaster(nodes: readonly string[], options: Parameters<PlayedNode["start"]>[1] = {}): Promise<PlayedNode> {
  const node = new PlayedNode();
  node.keepsInSyncSet = true;
  await node.start(nodes, { replicationType: "sync", ...options });
  await node.push(5, nodes);
  node.index.requests.length = 0;
  return node;
}

/** The changes of states that the index server was asked for. */
function changes({ index }: { readonly index: PlayedHost }): string[] {
  return index.requests.filter((request) => request.startsWith("node state"));
}

/** How many requests with a word a host has got. */
function asked(node: PlayedNode, key: string, word: string): number {
  return node.host(key).requests.filter((request) => request.includes(word)).length;
}

async function figures(node: PlayedNode): Promise<string> {
  return node.ask("stats replication\r\n");
}

describe("a sync write", () => {
  it("is answered when every active slave has it, the slow ones too", async () => {
    const node = await startMaster(THREE);
    node.host(SLAVE).answer = () => undefined;
    const client = await node.send(SET);
    await node.network.pass(TIMEOUT_MS - 1000);
    assertEquals(client.received, "");
    node.host(SLAVE).connections[1]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals([client.received, changes(node)], ["STORED\r\n", []]);
    await node.stop();
  });

  for (const refusal of ["SERVER_ERROR disk full", "CLIENT_ERROR bad data chunk", "ERROR"]) {
    it(`is answered when a slave that says ${refusal} is out`, async () => {
      const node = await startMaster(PAIR);
      node.host(SLAVE).answer = () => `${refusal}\r\n`;
      node.index.answer = () => undefined;
      const client = await node.send(SET);
      await node.network.settle();
      assertEquals([client.received, changes(node)], ["", [REMOVAL]]);
      node.index.connections.at(-1)?.send("OK\r\n");
      await node.network.settle();
      assertEquals(client.received, "STORED\r\n");
      assertMatch(await figures(node), /STAT replication_removals 1\r\n/);
      await node.stop();
    });
  }

  it("takes for success what a slave answers that has something newer, or nothing to change", async () => {
    const node = await startMaster(PAIR);
    for (const answer of ["NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED"]) {
      node.host(SLAVE).answer = () => `${answer}\r\n`;
      assertEquals(await node.ask(SET), "STORED\r\n");
    }
    assertEquals(changes(node), []);
    await node.stop();
  });

  it("is answered within the timeout when a slave is silent, and later ones at once", async () => {
    const node = await startMaster(THREE, { replicationTimeoutMs: 2000 });
    node.host(SLAVE).answer = () => undefined;
    const client = await node.send(SET);
    await node.network.pass(1990);
    assertEquals([client.received, changes(node)], ["", []]);
    await node.network.pass(20);
    assertEquals([client.received, changes(node)], ["STORED\r\n", [REMOVAL]]);
    assertEquals(await node.ask(SET), "STORED\r\n");
    // It still gets them: it is copying.
    assertEquals(node.host(SLAVE).requests.length, 2);
    await node.stop();
  });

  it("is answered within the timeout when a slave cannot be reached", async () => {
    const node = await startMaster(PAIR);
    node.network.unreachable.add(SLAVE);
    const client = await node.send(SET);
    await node.network.pass(TIMEOUT_MS + 100);
    assertEquals([client.received, changes(node)], ["STORED\r\n", [REMOVAL]]);
    await node.stop();
  });

  it("needs no removal when its copy is repeated in time", async () => {
    const node = await startMaster(PAIR);
    node.network.unreachable.add(SLAVE);
    const client = await node.send(SET);
    await node.network.pass(2000);
    node.network.unreachable.delete(SLAVE);
    await node.network.pass(1000);
    assertEquals([client.received, changes(node)], ["STORED\r\n", []]);
    await node.network.pass(TIMEOUT_MS);
    assertEquals(changes(node), []);
    await node.stop();
  });

  it("is in doubt when no index server answers; the removal is asked for until one does", async () => {
    const node = await startMaster(PAIR);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    node.network.unreachable.add("127.0.0.1:2000");
    const client = await node.send(SET);
    await node.network.pass(TIMEOUT_MS + 10);
    const doubt =
      `SERVER_ERROR in doubt: written here, but not confirmed by replica "${SLAVE}" ` +
      "(no index server has taken it out of the in-sync set)\r\n";
    assertEquals(client.received, doubt);
    assertEquals(await node.ask("get a\r\nset b 0 0 1\r\nx\r\n"), `VALUE a 0 1\r\nx\r\nEND\r\n${doubt}`);
    node.network.unreachable.delete("127.0.0.1:2000");
    await node.network.pass(3000);
    assertEquals(changes(node), [REMOVAL]);
    assertEquals(await node.ask(SET), "STORED\r\n");
    await node.stop();
  });

  it("is in doubt when this node is the master no more", async () => {
    const node = await startMaster(THREE);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    node.index.answer = () => "SERVER_ERROR node map version is 6, not 5\r\n";
    const client = await node.send(SET);
    await node.push(6, ["2001 2 2 -1 0 16", "2002 1 0 0 1 17", "2003 0 0 0 1 18"]);
    await node.network.pass(600);
    assertMatch(client.received, /^SERVER_ERROR in doubt: .*2002" \(this node is no longer the master\)\r\n$/);
    await node.stop();
  });

  it("uses no window without answers, and a noreply request's copies have answers, too", async () => {
    const node = await startMaster(PAIR, { noreplyWindowLimit: 10 });
    for (const request of [SET, "set a 0 0 1 async\r\nx\r\n", "set a 0 0 1 noreply\r\nx\r\n"]) await node.ask(request);
    const { requests } = node.host(SLAVE);
    assertEquals([requests.length, requests.filter((request) => request.includes("noreply"))], [3, []]);
    await node.stop();
  });
});

describe("a master that takes a slave out", () => {
  it("asks again by the next map when the index server has another one", async () => {
    const node = await startMaster(THREE);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    node.index.answer = () => "SERVER_ERROR node map version is 6, not 5\r\n";
    const client = await node.send(SET);
    await node.network.settle();
    assertEquals([client.received, changes(node)], ["", [REMOVAL]]);
    node.index.answer = () => "OK\r\n";
    await node.push(6, [...PAIR, "2003 1 0 0 5 18"]);
    await node.network.settle();
    assertEquals([client.received, changes(node)], ["STORED\r\n", [REMOVAL, REMOVAL.replace("5\r", "6\r")]]);
    await node.stop();
  });

  it("asks once, however many writes the slave misses", async () => {
    const node = await startMaster(PAIR);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    node.index.answer = () => undefined;
    const client = await node.send(SET.repeat(20));
    assertEquals([client.received, changes(node)], ["", [REMOVAL]]);
    node.index.connections.at(-1)?.send("OK\r\n");
    await node.network.settle();
    assertEquals(client.received, "STORED\r\n".repeat(20));
    await node.stop();
  });

  it("has nothing to ask when the map takes the slave away", async () => {
    const node = await startMaster(PAIR);
    node.network.unreachable.add(SLAVE);
    const client = await node.send(SET);
    await node.network.pass(1000);
    await node.push(6, ["2001 0 0 0 1 16", "2002 2 2 -1 0 17"]);
    await node.network.settle();
    assertEquals([client.received, changes(node)], ["STORED\r\n", []]);
    await node.stop();
  });

  for (const [what, options] of [
    ["was refused", { replicationType: "async" }],
    ["found no place in the queues", { replicationType: "async", maxTotalThreadQueue: 1 }],
  ] as const) {
    it(`does so for a write that nobody waits for and that ${what}`, async () => {
      const node = await startMaster(PAIR, options);
      const isRefused = !("maxTotalThreadQueue" in options);
      node.host(SLAVE).answer = () => (isRefused ? "SERVER_ERROR disk full\r\n" : undefined);
      assertEquals(await node.ask(SET + SET), "STORED\r\nSTORED\r\n");
      assertEquals(changes(node), [REMOVAL]);
      await node.stop();
    });
  }

  it("does so for a silent slave of writes that nobody waits for", async () => {
    const node = await startMaster(PAIR, { replicationType: "async" });
    node.host(SLAVE).answer = () => undefined;
    assertEquals(await node.ask(SET), "STORED\r\n");
    await node.network.pass(TIMEOUT_MS + 10);
    assertEquals(changes(node), [REMOVAL]);
    await node.stop();
  });

  it("does so for a flush that the slave refuses, which is then complete", async () => {
    const node = await startMaster(PAIR);
    node.host(SLAVE).answer = (request) => (request === "node flush\r\n" ? "FLUSH 0\r\n" : "SERVER_ERROR disk full\r\n");
    assertEquals([await node.ask("flush_all\r\n"), changes(node)], ["OK\r\n", [REMOVAL]]);
    node.index.answer = () => `SERVER_ERROR legacy slave "${SLAVE}"\r\n`;
    await node.push(6, PAIR);
    const text = await node.ask("flush_all\r\n");
    assertMatch(text, /^SERVER_ERROR flush_all: not at "127.0.0.1:2002" \(it answered "SERVER_ERROR disk full"\); all other/);
    await node.stop();
  });

  it("goes on as the original with a slave that cannot be taken out, and says so", async () => {
    const node = await startMaster(PAIR);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    node.index.answer = () => `SERVER_ERROR legacy slave "${SLAVE}"\r\n`;
    assertEquals(await node.ask(SET + SET), "STORED\r\nSTORED\r\n");
    assertEquals(changes(node), [REMOVAL]);
    assertMatch(await figures(node), /STAT replication_guarantees legacy\r\n/);
    assertEquals(node.network.logged.filter((line) => line.includes("replication is legacy")).length, 1);
    await node.stop();
  });

  it("goes on as the original with its index server, and says so", async () => {
    const node = new PlayedNode();
    await node.start(PAIR, { replicationType: "sync" });
    node.index.requests.length = 0;
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    assertEquals(await node.ask(SET), "STORED\r\n");
    assertEquals(changes(node), []);
    assertMatch(await figures(node), /STAT replication_guarantees legacy\r\n/);
    assertEquals(node.network.logged.filter((line) => line.includes("replication is legacy")).length, 1);
    await node.stop();
  });
});

describe("a slave that has copied", () => {
  const DUMP = `<${SLAVE}>dump 0 0 1\r\n`;
  const ADMIT = "node admit 127.0.0.1 2002\r\n";
  const ADDITION = "node state 127.0.0.1 2002 active 5\r\n";
  const UNSENT = "SERVER_ERROR copy again: this node did not send it writes when its copy began\r\n";

  it("is not added by a master whose writes are in doubt, and its copy does not end as a complete one", async () => {
    const storage = { storageType: "level", dataDir: "/data", fsync: "always" } as const;
    const node = await startMaster(OUT, storage);
    const doubt = "sync of the log failed: EIO";
    await node.ask(SET);
    node.network.files.syncFault = new FlareError("IO_ERROR", doubt);
    assertEquals(await node.ask(SET), `SERVER_ERROR ${doubt}\r\n`);
    const copy = await node.ask(DUMP);
    assert(copy.endsWith(`\r\nSERVER_ERROR items may be missing here until a restart: ${doubt}\r\n`), copy);
    assertEquals(await node.ask(ADMIT), `SERVER_ERROR writes are in doubt here: ${doubt}\r\n`);
    assertEquals(changes(node), []);
    await node.stop();
  });

  it("is added when it has missed nothing since its copy began", async () => {
    const node = await startMaster(OUT);
    assertEquals(await node.ask(ADMIT), UNSENT);
    await node.ask(DUMP);
    assertEquals([await node.ask(ADMIT), changes(node)], ["OK\r\n", [ADDITION]]);
    await node.stop();
  });

  it("is not added when its master had another map when the copy began, or has had one since", async () => {
    const AS_PROXY = [OUT[0] as string, "2002 2 0 -1 0 16"];
    const node = await startMaster(AS_PROXY);
    await node.ask(DUMP);
    await node.push(6, OUT);
    assertEquals(await node.ask(ADMIT), UNSENT);
    await node.ask(DUMP);
    await node.push(7, AS_PROXY);
    await node.push(8, OUT);
    assertEquals([await node.ask(ADMIT), changes(node)], [UNSENT, []]);
    await node.ask(DUMP);
    assertEquals([await node.ask(ADMIT), changes(node)], ["OK\r\n", [ADDITION.replace("5\r", "8\r")]]);
    await node.stop();
  });

  it("is not added when its master was down since then, and its stream has ended", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    await node.push(6, ["2001 0 2 0 1 16", "2002 1 1 0 1 17"]);
    await node.push(7, OUT);
    assertEquals([await node.ask(ADMIT), changes(node)], [UNSENT, []]);
    await node.stop();
  });

  it("is added by the next map when the index server has another one", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    node.index.answer = () => "SERVER_ERROR node map version is 6, not 5\r\n";
    const admission = await node.send(ADMIT);
    assertEquals([admission.received, changes(node)], ["", [ADDITION]]);
    node.index.answer = () => "OK\r\n";
    await node.push(6, OUT);
    assertEquals([admission.received, changes(node)], ["OK\r\n", [ADDITION, ADDITION.replace("5\r", "6\r")]]);
    await node.stop();
  });

  it("is not added when it has missed a write since then, but when it has copied again", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    assertEquals(await node.ask(SET), "STORED\r\n", "nobody waits for it");
    assertMatch(await node.ask(ADMIT), /^SERVER_ERROR copy again: it answered "SERVER_ERROR disk full"\r\n$/);
    node.host(SLAVE).answer = () => "STORED\r\n";
    await node.ask(DUMP);
    assertEquals([await node.ask(ADMIT), changes(node)], ["OK\r\n", [ADDITION]]);
    await node.stop();
  });

  it("is added after the copies on their way to it, and new writes wait for it from then on", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    const slave = node.host(SLAVE);
    slave.answer = () => undefined;
    assertEquals(await node.ask(SET), "STORED\r\n");
    const admission = await node.send(ADMIT);
    const client = await node.send(SET);
    assertEquals([admission.received, client.received, changes(node)], ["", "", []]);
    slave.connections[1]?.send("STORED\r\nSTORED\r\n");
    await node.network.settle();
    assertEquals([admission.received, client.received, changes(node)], ["OK\r\n", "STORED\r\n", [ADDITION]]);
    await node.stop();
  });

  it("is not added when one of those fails", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    const slave = node.host(SLAVE);
    slave.answer = () => undefined;
    await node.ask(SET);
    const admission = await node.send(ADMIT);
    slave.connections[1]?.send("SERVER_ERROR disk full\r\n");
    await node.network.settle();
    assertEquals(
      [admission.received, changes(node)],
      ['SERVER_ERROR copy again: it answered "SERVER_ERROR disk full"\r\n', []],
    );
    await node.stop();
  });

  it("is taken out again when it became active without its master and has missed a write", async () => {
    const node = await startMaster(OUT);
    await node.ask(DUMP);
    node.host(SLAVE).answer = () => "SERVER_ERROR disk full\r\n";
    await node.ask(SET);
    await node.push(6, PAIR);
    await node.network.settle();
    assertEquals(changes(node), ["node state 127.0.0.1 2002 prepare 6\r\n"]);
    await node.stop();
  });

  it("is not added by a node that is not its master", async () => {
    const node = await startMaster(["2001 1 0 0 1 16", "2002 1 1 0 1 17", "2003 0 0 0 1 18"]);
    assertEquals(await node.ask(ADMIT), `SERVER_ERROR "${SLAVE}" is not a slave of this node\r\n`);
    for (const words of ["", " 127.0.0.1", " 127.0.0.1 2002 1"])
      assertEquals(await node.ask(`node admit${words}\r\n`), "ERROR\r\n");
    await node.stop();
  });
});

describe("a slave that was taken out", () => {
  const ACTIVE = ["2001 1 0 0 2 16", "2002 0 0 0 1 17", "2003 1 0 0 1 18"];
  const TAKEN_OUT = ["2001 1 1 0 2 16", ...ACTIVE.slice(1)];

  /** A slave with one key, taken out by the map of version 6; `answer`: what its master says to `node admit`. */
  async function startSlave(answer: () => string | undefined): Promise<PlayedNode> {
    const node = new PlayedNode();
    node.keepsInSyncSet = true;
    await node.start(ACTIVE);
    await node.push(5, ACTIVE);
    await node.ask(`<${SLAVE}>set a 0 0 1 7\r\nx\r\n`);
    node.index.requests.length = 0;
    node.host(SLAVE).answer = (request) => {
      if (request.includes("dump ")) return "VALUE b 0 1 8 0\r\ny\r\nEND\r\n";
      if (request.startsWith("gets ")) return "VALUE a 0 1 9\r\nx\r\nEND\r\n";
      if (request.startsWith("node admit")) return answer();
      return request.startsWith("node flush") ? "FLUSH 0\r\n" : "END\r\n";
    };
    await node.push(6, TAKEN_OUT);
    return node;
  }

  it("copies again and asks its master to add it, not the index server", async () => {
    const node = await startSlave(() => "OK\r\n");
    await node.network.pass(1000);
    assertEquals([asked(node, SLAVE, "dump "), asked(node, SLAVE, "node admit 127.0.0.1 2001")], [1, 1]);
    assertEquals(changes(node), []);
    await node.push(7, ACTIVE);
    await node.network.pass(10_000);
    assertEquals([asked(node, SLAVE, "dump "), asked(node, SLAVE, "node admit")], [1, 1]);
    assertMatch(await node.ask("me a\r\nme b\r\n"), /^EN\r\nME b .*\r\n$/);
    await node.stop();
  });

  it("asks again if it was taken out once more before it got the map by which it was added", async () => {
    const node = await startSlave(() => "OK\r\n");
    await node.network.pass(1000);
    await node.push(8, TAKEN_OUT);
    await node.network.pass(6000);
    const admissions = asked(node, SLAVE, "node admit");
    assert(admissions > 1, `${admissions}`);
    assertEquals(asked(node, SLAVE, "dump "), 1);
    await node.push(9, ACTIVE);
    await node.network.pass(5000);
    assertEquals([asked(node, SLAVE, "dump "), asked(node, SLAVE, "node admit")], [1, admissions]);
    await node.stop();
  });

  it("answers no reads itself meanwhile", async () => {
    const node = await startSlave(() => undefined);
    await node.network.pass(1000);
    const before = asked(node, SLAVE, "get a") + asked(node, OTHER, "get a");
    node.host(OTHER).answer = () => "END\r\n";
    for (let i = 0; i < 4; i++) await node.ask("get a\r\n");
    assertEquals(asked(node, SLAVE, "get a") + asked(node, OTHER, "get a") - before, 4);
    await node.stop();
  });

  it("copies once more when its master says so", async () => {
    let admissions = 0;
    const node = await startSlave(() => (++admissions === 1 ? "SERVER_ERROR copy again: a reason\r\n" : "OK\r\n"));
    await node.network.pass(3000);
    assertEquals([asked(node, SLAVE, "dump "), admissions], [2, 2]);
    await node.stop();
  });

  it("asks the index server when its master knows no in-sync set", async () => {
    const node = await startSlave(() => "ERROR\r\n");
    await node.network.pass(1000);
    assertEquals(changes(node), ["node state 127.0.0.1 2001 active\r\n"]);
    await node.stop();
  });

  it("tries for as long as its master cannot be copied, and copies from another master", async () => {
    const node = await startSlave(() => "OK\r\n");
    node.network.unreachable.add(SLAVE);
    for (const connection of node.host(SLAVE).connections) connection.close();
    await node.push(7, ACTIVE);
    await node.push(8, TAKEN_OUT);
    await node.network.pass(60_000);
    assertEquals(
      node.index.requests.filter((request) => request.includes("proxy")),
      [],
    );
    node.host(OTHER).answer = node.host(SLAVE).answer;
    await node.push(9, ["2001 1 1 0 2 16", "2002 2 2 -1 0 17", "2003 0 0 0 1 18"]);
    await node.network.pass(20_000);
    assert(asked(node, OTHER, "dump ") > 0 && asked(node, OTHER, "node admit") > 0);
    await node.stop();
  });
});

describe("a master whose keys a new partition takes over", () => {
  const PREPARING = ["2001 0 0 0 1 16", "2002 0 1 1 1 17"];
  const READY = ["2001 0 0 0 1 16", "2002 0 3 1 1 17"];
  const ACTIVE = ["2001 0 0 0 1 16", "2002 0 0 1 1 17"];
  const DUMP = `<${SLAVE}>dump 0 1 2 0 deletions\r\n`;
  const ADMIT = "node admit 127.0.0.1 2002\r\n";
  const FULL = "SERVER_ERROR disk full";
  /** Of partition 1, if there are two. */
  const MOVING = "set key1 0 0 1\r\nx\r\n";

  it("lets it be ready when it has missed nothing since its copy began", async () => {
    const node = await startMaster(PREPARING);
    const unsent = "SERVER_ERROR copy again: this node did not send it writes when its copy began\r\n";
    assertEquals(await node.ask(ADMIT), unsent);
    await node.ask(DUMP);
    node.host(SLAVE).answer = () => `${FULL}\r\n`;
    assertEquals(await node.ask(MOVING), "STORED\r\n");
    assertEquals(await node.ask(ADMIT), `SERVER_ERROR copy again: it answered "${FULL}"\r\n`);
    await node.ask(DUMP);
    assertEquals([await node.ask(ADMIT), changes(node)], ["OK\r\n", []]);
    await node.stop();
  });

  it("has it copy again before it acknowledges a write that it lacks, ready or about to be", async () => {
    for (const nodes of [PREPARING, READY]) {
      const node = await startMaster(nodes);
      if (nodes === PREPARING) {
        await node.ask(DUMP);
        assertEquals(await node.ask(ADMIT), "OK\r\n");
      }
      node.host(SLAVE).answer = () => `${FULL}\r\n`;
      let answer: string | undefined;
      node.index.answer = () => answer;
      const client = await node.send(MOVING);
      assertEquals([changes(node), client.received], [[REMOVAL], ""]);
      answer = "OK\r\n";
      node.index.connections.at(-1)?.send(answer);
      await node.network.settle();
      assertEquals(client.received, "STORED\r\n");
      await node.stop();
    }
  });

  it("shows no write that the new master could lack as the owner of its key", async () => {
    const node = await startMaster(READY, { replicationTimeoutMs: 2000 });
    node.host(SLAVE).answer = () => undefined;
    const READ = "get key1\r\n";
    const writer = await node.send(MOVING);
    const readers = [await node.send(READ)];
    assertEquals([readers[0]?.received, await node.ask("get key0\r\n")], ["", "END\r\n"]);
    node.host(SLAVE).connections[0]?.send("STORED\r\n");
    await node.network.settle();
    assertEquals([writer.received, readers[0]?.received], ["STORED\r\n", "VALUE key1 0 1\r\nx\r\nEND\r\n"]);

    // It does not answer any more, nor does the index server: nobody knows whether it is out.
    let answer: string | undefined;
    node.index.answer = () => answer;
    const later = await node.send(MOVING);
    readers.push(await node.send(READ));
    await node.network.pass(3000);
    assertEquals(readers[1]?.received, "");
    assert(node.network.logged.some((line) => line.endsWith("is not in sync: it did not answer for 2000 ms")));
    await node.network.pass(2000);
    assertMatch(later.received, /^SERVER_ERROR in doubt: written here, but not confirmed by replica /);
    assertMatch(readers[1]?.received ?? "", /^SERVER_ERROR in doubt: /);
    answer = "OK\r\n";
    await node.network.pass(30_000);
    assertEquals(await node.ask(READ), "VALUE key1 0 1\r\nx\r\nEND\r\n");
    await node.stop();
  });

  it("says that a write is in doubt which it lacks, and it is active", async () => {
    const node = await startMaster(READY);
    node.host(SLAVE).answer = (request) => (request.includes("set") ? undefined : "OK\r\n");
    const client = await node.send(MOVING);
    await node.push(6, ACTIVE);
    node.host(SLAVE).connections[0]?.send(`${FULL}\r\n`);
    await node.network.settle();
    const doubt = `in doubt: written here, but not confirmed by replica "${SLAVE}" (it has taken the key over)`;
    assertEquals(client.received, `SERVER_ERROR ${doubt}\r\n`);
    await node.stop();
  });
});

describe("the master of a new partition", () => {
  const JOINING = ["2001 2 0 -1 0 16", "2002 0 0 0 1 17", "2003 0 0 1 1 18"];
  const COPYING = ["2001 0 1 2 1 16", "2002 0 0 0 1 17", "2003 0 0 1 1 18"];

  it("is ready when everybody whose keys it takes over agrees, and copies again if one says so", async () => {
    const node = await startMaster(JOINING);
    const answers = ["SERVER_ERROR copies are not answered yet", "SERVER_ERROR copy again: it lacks a write", "OK"];
    const answer = (others: () => string | undefined) => (request: string) =>
      request.startsWith("node flush") ? "FLUSH 0\r\n" : request.startsWith("node admit") ? others() : "END\r\n";
    node.host(SLAVE).answer = answer(() => "OK\r\n");
    node.host(OTHER).answer = answer(() => `${answers.length > 1 ? answers.shift() : answers[0]}\r\n`);
    await node.push(6, COPYING);
    await node.network.pass(5000);
    assertEquals(changes(node), ["node state 127.0.0.1 2001 ready 6\r\n"]);
    assertEquals([asked(node, SLAVE, "dump "), asked(node, OTHER, "dump "), asked(node, OTHER, "node admit")], [2, 2, 3]);
    await node.stop();
  });
});
