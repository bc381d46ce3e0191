/**
 * The meta commands over real sockets: the conversations against our own server, against a memcached in the same run
 * when there is one, and from nodes that do not own the key.
 *
 * Covers lib/node_server/commands/meta_commands.ts and lib/protocol/meta/meta_reply.ts.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { base64 } from "../../lib/base/base64.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { type Cluster, type ClusterNode, detectRuntime, NodeRole, NodeState, startCluster } from "../../mod.ts";
import { packet, words } from "../support/binary_packets.ts";
import { freePorts } from "../support/free_ports.ts";
import { TextClient } from "../support/text_client.ts";
import { META_CONVERSATIONS, type MetaConversation } from "./meta_conversations.ts";

const ANSWER_MS = 5000;
const LAST = "version\r\n";
const ATTEMPTS_MAX = 5;
const LAST_ANSWER = /VERSION [^\r]+\r\n$/;
const hasMemcached = spawnSync("memcached", ["-V"]).status === 0;

/** Plays a conversation within one second, because many tell how many are left; the answer is as the recordings have it. */
async function play(runtime: Runtime, address: Address, conversation: MetaConversation, key: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const startSecond = Math.floor(Date.now() / 1000);
    const answer = await playOnce(runtime, address, conversation, `${key}-${attempt}`);
    if (attempt === ATTEMPTS_MAX || Math.floor(Date.now() / 1000) === startSecond) return answer;
  }
}

async function playOnce(runtime: Runtime, address: Address, { send }: MetaConversation, key: string): Promise<string> {
  const encoded = base64(fromLatin1(key));
  const client = await TextClient.connect(runtime, address);
  await client.send(send.replaceAll("{k}", key).replaceAll("{b}", encoded) + LAST);
  const received = await client.until((text) => LAST_ANSWER.test(text), ANSWER_MS);
  client.close();
  return received.replace(LAST_ANSWER, "").replaceAll(key, "{k}").replaceAll(encoded, "{b}").replace(/ c\d+/g, " c#");
}

describe("meta conversations", () => {
  let runtime: Runtime;
  let cluster: Cluster;
  /** Two partitions, a slave each, and a proxy. */
  let wide: Cluster;

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    cluster = await startCluster({ logLevel: "error" });
    wide = await startCluster({ partitions: 2, slaves: 1, nodes: 5, replicationType: "sync", logLevel: "error" });
  });

  after(async () => {
    await cluster.stop();
    await wide.stop();
  });

  META_CONVERSATIONS.forEach((conversation, i) => {
    it(conversation.name, async () => {
      const address = { host: "127.0.0.1", port: cluster.nodes[0]?.address.port ?? 0 };
      assertEquals(await play(runtime, address, conversation, `key${i}`), conversation.answer);
    });

    // Whether an item was read before is what one node knows, and reads are spread over several.
    if (conversation.send.includes(" h\r\n")) return;
    it(`${conversation.name}, by way of a node that does not own the key`, async () => {
      const address = { host: "127.0.0.1", port: wide.nodes[4]?.address.port ?? 0 };
      assertEquals(await play(runtime, address, conversation, `far${i}`), conversation.answer);
    });
  });
});

if (hasMemcached) {
  describe("the same conversations with memcached", () => {
    let runtime: Runtime;
    let memcached: ChildProcess;
    let address: Address;

    before(async () => {
      runtime = detectRuntime({ logLevel: "error" });
      const port = await freePorts(1);
      address = { host: "127.0.0.1", port };
      memcached = spawn("memcached", ["-u", "nobody", "-l", "127.0.0.1", "-p", String(port), "-U", "0"], { stdio: "ignore" });
      for (;;) {
        const client = await TextClient.connect(runtime, address).catch(() => undefined);
        client?.close();
        if (client !== undefined) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });

    after(() => {
      memcached.kill();
    });

    META_CONVERSATIONS.forEach((conversation, i) => {
      it(conversation.name, async () => {
        const received = await play(runtime, address, conversation, `key${i}`);
        const { answer, memcached: older } = conversation;
        assert(received === answer || received === older, JSON.stringify(received));
      });
    });
  });
}

describe("the meta conversations", () => {
  /** What memcached 1.6 takes behind each command. */
  const FLAGS = { mg: "bcfhklqstuvCENORT", ms: "bckqsCEFIMNOT", md: "bkqxCEIOT", ma: "bcktqvCDEJMNOT" };

  it("say every flag to every command that takes it", () => {
    const said = new Set<string>();
    for (const { send } of META_CONVERSATIONS) {
      for (const line of send.split("\r\n")) {
        const [command = "", , ...words] = line.split(" ");
        const flags = command === "ms" ? words.slice(1) : words;
        for (const flag of flags) said.add(`${command} ${flag[0]}`);
      }
    }
    const missing = Object.entries(FLAGS).flatMap(([command, flags]) =>
      [...flags].map((flag) => `${command} ${flag}`).filter((flag) => !said.has(flag)),
    );
    assertEquals(missing, []);
  });
});

describe("keys no line of text can hold", () => {
  const KEY = "a b\r\nset evil 0 0 1\r\nx\0";
  let runtime: Runtime;
  let cluster: Cluster;
  const clients: TextClient[] = [];

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    cluster = await startCluster({ slaves: 1, nodes: 4, replicationType: "sync", logLevel: "error" });
    for (const node of cluster.nodes)
      clients.push(await TextClient.connect(runtime, { host: "127.0.0.1", port: node.address.port }));
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster.stop();
  });

  function client(i: number): TextClient {
    const one = clients[i];
    assert(one !== undefined);
    return one;
  }

  it("come from a proxy to the master and its slave, as binary and as base64", async () => {
    const encoded = base64(fromLatin1(KEY));
    await client(2).send(packet({ opcode: 1, extras: words(7, 0), key: KEY, value: "hello" }));
    await client(2).until((received) => received.length >= 24);
    client(2).received = "";
    for (const i of [0, 1, 2]) {
      assertEquals(
        await client(i).ask(`mg ${encoded} b v f k\r\n`, /\r\nhello\r\n$/),
        `VA 5 f7 k${encoded} b\r\nhello\r\n`,
        `node ${i}`,
      );
      assertEquals(await client(i).ask("get evil\r\n"), "END\r\n", `node ${i}`);
    }
  });

  it("lose no condition on the way", async () => {
    const encoded = base64(fromLatin1("cas of\na proxy"));
    assertEquals(await client(2).ask(`ms ${encoded} 2 b c\r\nab\r\n`), "HD c1\r\n");
    assertEquals(await client(2).ask(`ms ${encoded} 2 b C9\r\ncd\r\n`), "EX\r\n");
    assertEquals(await client(2).ask(`ms ${encoded} 2 b C1 c\r\ncd\r\n`), "HD c2\r\n");
    assertEquals(await client(1).ask(`mg ${encoded} b v c\r\n`, /cd\r\n$/), "VA 2 c2\r\ncd\r\n");
  });

  it("are deleted and touched on the slave, too", async () => {
    const encoded = base64(fromLatin1("gone soon"));
    assertEquals(await client(0).ask(`ms ${encoded} 2 b\r\nab\r\n`), "HD\r\n");
    assertEquals(await client(0).ask(`mg ${encoded} b T100\r\n`), "HD\r\n");
    assertMatch(await client(1).ask(`mg ${encoded} b t\r\n`), /^HD t(100|99)\r\n$/);
    assertEquals(await client(0).ask(`md ${encoded} b\r\n`), "HD\r\n");
    assertEquals(await client(1).ask(`mg ${encoded} b\r\n`), "EN\r\n");
  });

  it("marks and wins are known on the slave, too", async () => {
    assertEquals(await client(0).ask("ms marked 1\r\nx\r\n"), "HD\r\n");
    assertEquals(await client(0).ask("md marked I T100\r\n"), "HD\r\n");
    assertEquals(await client(1).ask("mg marked v\r\n", /x\r\n$/), "VA 1 X W\r\nx\r\n");
    assertEquals(await client(0).ask("mg marked v\r\n", /x\r\n$/), "VA 1 Z X\r\nx\r\n");
    assertEquals(await client(1).ask("mg marked v\r\n", /x\r\n$/), "VA 1 Z X\r\nx\r\n");
    assertEquals(await client(0).ask("set marked 0 0 1\r\ny\r\n"), "STORED\r\n");
    assertEquals(await client(1).ask("mg marked v\r\n", /y\r\n$/), "VA 1\r\ny\r\n");
  });

  it("are left out of dumps for everybody but nodes, and a new slave gets them, marks included", async () => {
    const encoded = base64(fromLatin1(KEY));
    await client(0).ask("ms stale 1\r\nx\r\n");
    await client(0).ask("md stale I\r\n");
    const plain = await client(0).ask("dump\r\n", /END\r\n$/);
    assert(/^(?:VALUE [^ \r\n]+ \d+ \d+ \d+ \d+\r\n[^\r\n]*\r\n)+END\r\n$/.test(plain), plain);
    const complete = await client(0).ask("<somebody:1>dump\r\n", /END\r\n$/);
    assert(complete.includes(`VALUE ${encoded} 7 5 1 0 b\r\nhello\r\n`), complete);
    assert(/VALUE stale 0 1 2 0 X\r\nx\r\n/.test(complete), complete);
    const [index] = cluster.index.addresses;
    assert(index !== undefined);
    const operator = await TextClient.connect(runtime, index);
    assertEquals(await operator.ask(`node role 127.0.0.1 ${cluster.nodes[3]?.address.port} slave 1 0\r\n`), "OK\r\n");
    operator.close();
    const added = cluster.nodes[3];
    assert(added !== undefined);
    const isReady = ({ key, role, state }: ClusterNode) =>
      key === added.key && role === NodeRole.slave && state === NodeState.active;
    while (!added.nodeMap.nodes.some(isReady)) await new Promise((resolve) => setTimeout(resolve, 10));
    const own = await client(3).ask("<somebody:1>dump\r\n", /END\r\n$/);
    assertEquals(own, complete);
  });
});
