/**
 * The recorded conversations in the binary protocol, played against our own servers over real sockets. memcached's
 * answers count; the version of an item is not compared, because versions count per key here, only whether there is one.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { PROTOCOL_VERSION } from "../../lib/base/version.ts";
import { Opcode } from "../../lib/protocol/binary/binary_protocol.ts";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime, startCluster, startIndexServer, startNodeServer } from "../../mod.ts";
import { describeReplies, packet, words } from "../support/binary_packets.ts";
import { readRepositoryFile } from "../support/repository.ts";
import { TextClient } from "../support/text_client.ts";
import { FinishedConversations } from "./finished_conversations.ts";
import { BINARY_DECISIONS, BINARY_LOOSE } from "./golden_binary_decisions.ts";
import { newestAnswers } from "./newest_memcached.ts";

interface Step {
  readonly role: string;
  readonly request: string;
  readonly response: string;
}

interface GoldenCase {
  readonly name: string;
  readonly role: string;
  readonly request: string;
  readonly response: string;
  readonly closed: boolean;
  readonly setup?: readonly Step[];
  readonly memcached?: { readonly response: string; readonly closed: boolean };
}

const NEWEST = newestAnswers("binary");
const CASES: readonly GoldenCase[] = JSON.parse(readRepositoryFile("tests/data/golden_binary.json"));
const ANSWER_MS = 5000;

function fromHex(hex: string): string {
  return latin1(Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));
}

/** What we have to answer, as `describeReplies` says it, and whether we close then. */
function expectation(golden: GoldenCase): { replies: readonly string[]; closed: boolean } {
  const decision = BINARY_DECISIONS[golden.name];
  if (decision !== undefined) return { replies: decision.replies, closed: decision.closed ?? false };
  const { memcached } = golden;
  assert(memcached !== undefined, `"${golden.name}" waits for a decision`);
  const newest = NEWEST.get(golden.name);
  if (newest !== undefined) return { replies: describeReplies(fromHex(newest.reply)), closed: newest.closed };
  return { replies: describeReplies(fromHex(memcached.response)), closed: memcached.closed };
}

describe("recorded binary conversations", () => {
  let runtime: Runtime;
  const addresses = new Map<string, Address>();
  const stops: (() => Promise<unknown>)[] = [];
  const finished = new FinishedConversations();

  before(async () => {
    runtime = detectRuntime({ logLevel: "error" });
    const cluster = await startCluster({ slaves: 1, nodes: 3, replicationType: "sync", logLevel: "error" });
    stops.push(() => cluster.stop());
    const alone = await startCluster({ logLevel: "error" });
    stops.push(() => alone.stop());
    const index = await startIndexServer({
      runtime,
      indexDb: "memory://",
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
    });
    stops.push(() => index.stop());
    const [indexAddress] = index.addresses;
    assert(indexAddress !== undefined && "port" in indexAddress);
    const lonely = await startNodeServer({
      runtime,
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      indexServers: [indexAddress],
      storageType: "memory",
    });
    stops.push(() => lonely.stop({ announce: false }));
    const { nodes } = cluster;
    ["master", "slave", "proxy"].forEach((role, i) => {
      addresses.set(role, { host: "127.0.0.1", port: nodes[i]?.address.port ?? 0 });
    });
    addresses.set("master-tcb", { host: "127.0.0.1", port: alone.nodes[0]?.address.port ?? 0 });
    addresses.set("proxy-nopartition", { host: "127.0.0.1", port: lonely.address.port });
    addresses.set("index", indexAddress);
  });

  after(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  function connect(role: string): Promise<TextClient> {
    const address = addresses.get(role);
    assert(address !== undefined, `no server for role "${role}"`);
    return TextClient.connect(runtime, address);
  }

  for (const golden of CASES) {
    it(`${golden.role}: ${golden.name}`, async () => {
      for (const step of golden.setup ?? []) {
        const other = await connect(step.role);
        await other.send(fromHex(step.request));
        // The recorded answers are the original's; the last of them is a line or a packet of the same length as ours.
        const count = describeReplies(fromHex(step.response)).length;
        await other.until((received) => describeReplies(received).length >= count, ANSWER_MS);
        other.close();
      }
      const client = await connect(golden.role);
      await client.send(fromLatin1(fromHex(golden.request)));
      const loose = BINARY_LOOSE[golden.name];
      if (loose !== undefined) {
        await client.until((received) => loose.test(describeReplies(received).join("\n")), ANSWER_MS);
        assert(loose.test(describeReplies(client.received).join("\n")), client.received);
      } else {
        const { replies, closed } = expectation(golden);
        const wanted = replies.join("\n").replace('0b 00 - "1.6.18"', `0b 00 - ${JSON.stringify(PROTOCOL_VERSION)}`);
        await client.until((received) => !closed && describeReplies(received).length >= replies.length, ANSWER_MS);
        assertEquals(describeReplies(client.received).join("\n"), wanted);
        assertEquals(client.closed, closed, "connection closed");
      }
      finished.add(golden.name, client);
    });
  }

  it("nothing comes after an answer that was not recorded", () => finished.staySilent());
});

describe("a value that gets too large at another node", () => {
  it("has its status by way of a proxy, too", async () => {
    const cluster = await startCluster({ nodes: 2, node: { valueBytesMax: 100 }, logLevel: "error" });
    const runtime = detectRuntime({ logLevel: "error" });
    for (const address of cluster.addresses) {
      const client = await TextClient.connect(runtime, address);
      const value = "v".repeat(60);
      await client.send(packet({ opcode: Opcode.set, extras: words(0, 0), key: "long", value }));
      await client.send(packet({ opcode: Opcode.append, key: "long", value }));
      const replies = await client.until((received) => describeReplies(received).length >= 2, ANSWER_MS);
      assertEquals(describeReplies(replies), ["01 00 cas", '0e 03 - "Too large."']);
      client.close();
    }
    await cluster.stop();
  });
});

describe("the recordings", () => {
  it("are all there, and every exception names one of them", () => {
    assertEquals(CASES.length, 123);
    const names = new Set(CASES.map(({ name }) => name));
    for (const name of [...Object.keys(BINARY_DECISIONS), ...Object.keys(BINARY_LOOSE)]) assert(names.has(name), name);
  });
});
