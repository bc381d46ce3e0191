/**
 * The typed client against a real server.
 *
 * Covers lib/client/byte_stream.ts, lib/client/client_options.ts, lib/client/dump.ts and lib/client/value_blocks.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client } from "../../../lib/client/client.ts";
import { type DumpedItem, dumpItems, dumpKeys } from "../../../lib/client/dump.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { type Cluster, detectRuntime, FlareError, startCluster } from "../../../mod.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

let runtime: Runtime;
let cluster: Cluster;
let client: Client;

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

before(async () => {
  runtime = detectRuntime({ programName: "test", logLevel: "error" });
  cluster = await startCluster({ runtime, nodes: 2 });
  client = new Client({ runtime, ...cluster.addresses[1] });
});

after(async () => {
  client.close();
  await cluster.stop();
});

describe("client", () => {
  it("stores and reads", async () => {
    assertEquals(await client.set("greeting", "héllo", { flags: 4294967295 }), "STORED");
    const item = await client.get("greeting");
    assertEquals(
      [text(item?.key), text(item?.value), item?.flags, item?.version],
      ["greeting", "héllo", 4294967295, undefined],
    );
    assertEquals((await client.gets("greeting"))?.version, 1);
    assertEquals(await client.get("nothing"), undefined);
  });

  it("stores what depends on what is there", async () => {
    assertEquals(await client.replace("word", "x"), "NOT_STORED");
    assertEquals(await client.add("word", "b"), "STORED");
    assertEquals(await client.add("word", "b"), "NOT_STORED");
    assertEquals(await client.append("word", "c"), "STORED");
    assertEquals(await client.prepend("word", "a"), "STORED");
    assertEquals(text((await client.get("word"))?.value), "abc");
    assertEquals(await client.cas("word", "new", 1), "EXISTS");
    assertEquals(await client.cas("word", "new", 3), "STORED");
    assertEquals(await client.cas("no-word", "new", 3), "NOT_FOUND");
    assertEquals(await client.set("word", "older", { version: 2 }), "NOT_STORED");
    assertEquals(await client.set("word", "newer", { version: 50, replication: "sync" }), "STORED");
    assertEquals((await client.gets("word"))?.version, 50);
    assertEquals(await client.restore("word", "from a backup", 50), "NOT_STORED");
    assertEquals(await client.restore("word", "from a backup", 51, { flags: 7 }), "STORED");
    await client.delete("word");
    assertEquals(await client.restore("word", "back from the dead", 51), "NOT_STORED");
    assertEquals(await client.restore("word", "from a later backup", 52), "STORED");
    assertEquals([(await client.gets("word"))?.version, (await client.gets("word"))?.flags], [52, 0]);
    await client.set("word", "newer", { version: 53 });
  });

  it("tells a write that was refused from one of which nobody knows", async () => {
    for (const [line, code] of [
      ["SERVER_ERROR proxy error", "IN_DOUBT"],
      ["SERVER_ERROR proxy failure", "REFUSED"],
    ] as const) {
      const network = new PlayedNetwork();
      network.onConnect = (_key, far) => {
        far.onReceived = () => far.send(`${line}\r\n`);
      };
      const played = new Client({ runtime: network.runtime, host: "n", port: 1 });
      const failed = assertRejects(() => played.incr("count"), FlareError);
      await network.settle();
      assertEquals((await failed).code, code);
      played.close();
    }
  });

  it("counts", async () => {
    await client.set("count", "9007199254740993");
    assertEquals(await client.incr("count", 2), 9007199254740995n);
    assertEquals(await client.decr("count"), 9007199254740994n);
    assertEquals(await client.decr("count", 18446744073709551615n), 0);
    assertEquals(await client.incr("no-count"), undefined);
    await client.set("letters", "abc");
    await assertRejects(() => client.incr("letters"), FlareError, "CLIENT_ERROR");
  });

  it("touches and deletes", async () => {
    await client.set("brief", "x");
    assertEquals(await client.touch("brief", 1000), true);
    assertEquals(await client.touch("no-brief", 1000), false);
    assertEquals(await client.delete("brief"), true);
    assertEquals(await client.delete("brief"), false);
  });

  it("asks how long an item has left", async () => {
    await client.set("ever", "x");
    await client.set("brief", "x", { exptime: 1000 });
    assertEquals(await client.ttl("ever"), Number.POSITIVE_INFINITY);
    const seconds = await client.ttl("brief");
    assert(seconds !== undefined && seconds > 990 && seconds <= 1000, String(seconds));
    assertEquals(await client.ttl("no-brief"), undefined);
    await assertRejects(() => client.ttl("two words"), FlareError, "two words");
  });

  it("carries any bytes and reads many keys at once", async () => {
    const value = Uint8Array.from({ length: 70000 }, (_, i) => i & 0xff);
    const key = Uint8Array.from([0x01, 0x09, 0x7f, 0x80, 0xff]);
    assertEquals(await client.set(key, value), "STORED");
    assertEquals(await client.set("empty", new Uint8Array(0)), "STORED");
    const items = await client.getMany([key, "missing", "empty"]);
    assertEquals(
      items.map((item) => [item.key.length, item.value.length, item.version]),
      [
        [5, 70000, 1],
        [5, 0, 1],
      ],
    );
    assertEquals(items[0]?.value, value);
    assertEquals(await client.getMany([]), []);
  });

  it("keeps the order of what is sent without waiting", async () => {
    const results = await Promise.all([
      client.set("order", "1"),
      client.incr("order"),
      client.get("order"),
      client.delete("order"),
      client.get("order"),
    ]);
    assertEquals(
      [results[0], results[1], text(results[2]?.value), results[3], results[4]],
      ["STORED", 2, "2", true, undefined],
    );
  });

  it("asks for figures and anything else", async () => {
    assertEquals(await client.version(), `flare-${(await client.stats()).get("version")}`);
    const names = [...(await client.stats("nodes")).keys()];
    assertEquals(names.length, 10);
    assertEquals(await client.line("ping"), "OK");
    await client.ping();
    assert((await client.lines("show variables")).length > 30);
    await assertRejects(() => client.lines("no such thing"), FlareError, 'answered "ERROR" to "no such thing"');
  });

  it("refuses what cannot be sent", async () => {
    for (const key of ["", "a b", "a\r\nflush_all", "a\0b", "k".repeat(8192)]) {
      assertEquals((await assertRejects(() => client.set(key, "x"), FlareError)).code, "INVALID_OPTION");
    }
    await assertRejects(() => client.set("k", "x", { flags: -1 }), FlareError, 'option "flags": "-1" is not an integer');
    await assertRejects(() => client.touch("k", 1.5), FlareError, 'exptime: "1.5" is not an integer');
    await assertRejects(() => client.line("ping\r\nflush_all"), FlareError, "a command must be one line");
  });

  it("tells when nobody is there, and that it was closed", async () => {
    const nobody = new Client({ runtime, host: "127.0.0.1", port: 1 });
    assertEquals((await assertRejects(() => nobody.ping(), FlareError)).code, "CONNECTION_FAILED");
    nobody.close();
    assertEquals((await assertRejects(() => nobody.ping(), FlareError)).code, "CLOSED");
  });

  it("ends its pauses when it is closed, and keeps the process as long as one goes on", async () => {
    const { clock } = runtime;
    let pauses = 0;
    const stopped: Runtime["clock"] = {
      ...clock,
      setTimer(callback, delayMs, keepsProcess = false) {
        if (!keepsProcess) return clock.setTimer(callback, delayMs);
        pauses++;
        return {};
      },
    };
    const slow = new Client({ runtime: { ...runtime, clock: stopped }, ...cluster.addresses[1] });
    for (const key of ["slow1", "slow2"]) await slow.set(key, "x");
    const items = slow.scan({ prefix: "slow", ratePerSecond: 1 });
    assertEquals(text((await items.next()).value.key), "slow1");
    const next = items.next();
    while (pauses === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    slow.close();
    await assertRejects(() => next, FlareError, "is closed");
    assertEquals(pauses, 1);
  });

  it("empties its server", async () => {
    const owner = new Client({ runtime, ...cluster.addresses[0] });
    await owner.set("gone", "x");
    await owner.flushAll();
    assertEquals(await client.get("gone"), undefined);
    owner.close();
  });
});

describe("dump client", () => {
  const address = (): { host: string; port: number } => cluster.addresses[0] as { host: string; port: number };

  it("reads more than fits on the way", async () => {
    const value = new Uint8Array(300000).fill(0x61);
    await client.flushAll();
    for (let i = 0; i < 40; i++) await client.set(`large-${i}`, value, { flags: i });
    const items: DumpedItem[] = [];
    // A slow reader makes the sender wait.
    for await (const batch of dumpItems(runtime, address(), {})) {
      items.push(...batch);
      await new Promise<void>((resolve) => runtime.clock.defer(resolve));
    }
    assertEquals(items.length, 40);
    assert(items.every((item) => item.value.length === 300000 && item.value[299999] === 0x61));
    assertEquals(new Set(items.map((item) => item.flags)).size, 40);
    const keys: string[] = [];
    for await (const batch of dumpKeys(runtime, address(), {})) keys.push(...batch.map(text));
    assertEquals(keys.sort(), items.map((item) => text(item.key)).sort());
  });

  it("stops when the reader has enough, and reads one partition only", async () => {
    let batches = 0;
    for await (const _ of dumpItems(runtime, address(), { bytesPerSecond: 50_000_000 })) {
      batches++;
      break;
    }
    assertEquals(batches, 1);
    const of = async (partition: number): Promise<number> => {
      let count = 0;
      for await (const batch of dumpKeys(runtime, address(), { partition, partitionSize: 2 })) count += batch.length;
      return count;
    };
    const counts = [await of(0), await of(1)];
    assertEquals((counts[0] as number) + (counts[1] as number), 40);
    assert(counts.every((count) => count > 0));
  });

  it("tells when there is no dump to be had", async () => {
    const index = cluster.indexAddress;
    const read = async (): Promise<void> => {
      for await (const _ of dumpItems(runtime, index, {})) assert(false);
    };
    await assertRejects(read, FlareError, 'answered "ERROR" to "dump"');
    const nobody = async (): Promise<void> => {
      for await (const _ of dumpKeys(runtime, { host: "127.0.0.1", port: 1 }, {})) assert(false);
    };
    assertEquals((await assertRejects(nobody, FlareError)).code, "CONNECTION_FAILED");
  });
});
