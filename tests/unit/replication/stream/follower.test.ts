/** A replica that applies its master's change log: the same items in the same order, each block once, from its master alone. */

import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { concatBytes, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { KeyResolver } from "../../../../lib/cluster/key_resolver.ts";
import { createNodeMap } from "../../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../../lib/cluster/node_map_codec.ts";
import { Routing } from "../../../../lib/cluster/routing.ts";
import { emptyTerms, MutationKind } from "../../../../lib/item/mutation.ts";
import { Follower } from "../../../../lib/replication/stream/follower.ts";
import { readBlock } from "../../../../lib/storage/log/log_block.ts";
import { FLUSHED, LogKind } from "../../../../lib/storage/log/log_record.ts";
import { FlushCause, type LogBlock, Storage } from "../../../../lib/storage/storage.ts";
import { SimRandom } from "../../../../lib/testing/sim_random.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { committed, mutation, read, StorageWorld, set, write } from "../../../support/storage_world.ts";
import { TestDatabase } from "../../../support/test_database.ts";

const ID = "0123456789abcdef";
const MASTER = "a:1";
const SELF = "b:2";
const AS_SLAVE = ["NODE a 1 0 0 0 1 16", "NODE b 2 1 0 0 1 17"];

function routing(lines: readonly string[] = AS_SLAVE): Routing {
  return new Routing(mapOf(1, lines), {
    selfKey: SELF,
    resolver: new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 }),
  });
}

function mapOf(version: number, lines: readonly string[]) {
  return createNodeMap(version, lines.map((line) => parseNodeLine(line) ?? assert(false)) as never, 0);
}

/** A master's storage with its log, and a follower with its own. */
class Pair {
  readonly world = new StorageWorld();
  readonly blocks: LogBlock[] = [];
  readonly routing = routing();
  readonly master: Storage;
  readonly slave: Storage;
  readonly follower: Follower;
  readonly slaveFiles: MemoryFiles;
  readonly slaveEngine: TestDatabase;

  private constructor(master: Storage, slave: Storage, slaveFiles: MemoryFiles, slaveEngine: TestDatabase) {
    this.master = master;
    this.slave = slave;
    this.slaveFiles = slaveFiles;
    this.slaveEngine = slaveEngine;
    this.follower = new Follower(this.world.runtime.clock, this.routing, slave);
    master.follow({ onAppended: (block) => ({ onCommitted: () => void this.blocks.push(block) }) });
  }

  static async open(syncReads = true): Promise<Pair> {
    const files = new MemoryFiles();
    const { runtime } = new StorageWorld(files);
    const engine = new TestDatabase({ syncReads });
    const slave = await Storage.open(runtime, { engine, dataDir: "/slave", memoryBytesMax: 1 << 20 });
    const master = await Storage.open(runtime, { engine: "memory", memoryBytesMax: 1 << 20 });
    return new Pair(master, slave, files, engine);
  }

  /** Applies a block, and waits for it. */
  async send(block: LogBlock, source = MASTER, replicated = 0): Promise<void> {
    await this.follower.apply(source, { ...block, id: ID, mapVersion: "1", replicated }, block.bytes);
    await committed(this.slave);
  }

  async set(key: string, value: string): Promise<LogBlock> {
    await write(this.master, set(key, value), this.world.nowSeconds);
    await committed(this.master);
    return this.blocks.at(-1) as LogBlock;
  }

  async close(): Promise<void> {
    await this.master.close();
    await this.slave.close();
  }
}

/** Everything a storage says of its items, marks and all. */
async function contentOf(storage: Storage): Promise<string[]> {
  const cursor = storage.openCursor();
  const content: string[] = [];
  for (;;) {
    const slice = await cursor.next(100, 1 << 20);
    if (slice.length === 0) return content;
    for (const { key, flags, expire, version, marks, value } of slice) {
      content.push([...[key, value].map((bytes) => String.fromCharCode(...bytes)), flags, expire, version, marks].join("|"));
    }
  }
}

describe("a follower", () => {
  for (const syncReads of [true, false]) {
    for (let seed = 1; seed <= 5; seed++) {
      it(`has what its master has, with${syncReads ? "" : "out"} synchronous reads, seed ${seed}`, async () => {
        const pair = await Pair.open(syncReads);
        const random = new SimRandom(`follower ${seed}`);
        const { nowSeconds } = pair.world;
        pair.follower.open(MASTER, { id: ID, next: undefined });
        for (let turn = 0; turn < 60; turn++) {
          for (let count = random.between(1, 8); count > 0; count--) {
            const key = `key${random.between(0, 30)}`;
            const value = "v".repeat(random.between(0, 3000));
            const more = { flags: random.between(0, 9), expire: random.chance(0.2) ? nowSeconds + 1000 : 0 };
            const terms = { ...emptyTerms(), marks: random.between(0, 3) };
            const kind = random.pick([
              ...[MutationKind.set, MutationKind.append, MutationKind.delete, MutationKind.touch, MutationKind.add],
              MutationKind.invalidate,
            ]);
            const isMarked = kind === MutationKind.set && random.chance(0.3);
            const needsTerms = isMarked || kind === MutationKind.invalidate;
            await write(pair.master, mutation(kind, key, value, { ...more, ...(needsTerms ? { terms } : {}) }), nowSeconds);
          }
          await committed(pair.master);
          // Some arrive together, some twice.
          if (random.chance(0.5)) continue;
          const sent = pair.blocks.splice(0);
          const answers = sent.map((block) => pair.send(block));
          await Promise.all(answers);
          const last = sent.at(-1);
          if (last !== undefined && random.chance(0.3)) await pair.send(last);
          assertEquals(await contentOf(pair.slave), await contentOf(pair.master));
        }
        const tombstones = [pair.master, pair.slave].map((storage) => storage.stats().tombstones);
        if (pair.blocks.length === 0) assertEquals(tombstones[0], tombstones[1]);
        await pair.close();
      });
    }
  }

  it("notes where another cluster is, and why its master has flushed", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const found: string[] = [];
    pair.slave.follow({
      onAppended: (block) => ({
        onCommitted: () =>
          readBlock(block, ({ kind, flags, version }) => {
            if (kind === LogKind.state && flags === FLUSHED) found.push(`flush ${version}`);
          }),
      }),
    });
    const delivery = { target: "127.0.0.1:3000", history: "0123456789abcdef", sequence: 7 };
    for (const cause of Object.values(FlushCause)) {
      pair.master.flushAll(cause);
      pair.master.noteDelivery({ ...delivery, sequence: 7 + cause });
      await committed(pair.master);
    }
    for (const block of pair.blocks) await pair.send(block);
    assertEquals(pair.slave.deliveredTo(delivery.target), { ...delivery, sequence: 9 });
    assertEquals(pair.slave.deliveredTo("127.0.0.1:3001"), undefined);
    assertEquals(found, ["flush 0", "flush 1", "flush 2"]);
    await pair.close();
  });

  it("takes a lower version, too: its master decides", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    await write(pair.slave, set("a", "old", { version: 50 }), pair.world.nowSeconds);
    await pair.send(await pair.set("a", "new"));
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.version, 1);
    await pair.close();
  });

  it("refuses a block that does not continue what it has, and takes one it has for done", async () => {
    const pair = await Pair.open();
    const [first, second, third] = [await pair.set("a", "1"), await pair.set("a", "2"), await pair.set("a", "3")];
    await assertRejects(() => pair.send(first), FlareError, "is not open here");
    pair.follower.open(MASTER, { id: ID, next: undefined });
    await pair.send(first);
    await assertRejects(() => pair.send(third), FlareError, "continues with 2 here, not with 3");
    await pair.send(second);
    await pair.send(first);
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.value, "2");
    await pair.send(third);
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.value, "3");
    await pair.close();
  });

  for (const syncReads of [true, false]) {
    it(`takes the rest of a block whose beginning it has, with${syncReads ? "" : "out"} synchronous reads`, async () => {
      const pair = await Pair.open(syncReads);
      pair.follower.open(MASTER, { id: ID, next: undefined });
      const [first, second, third] = [await pair.set("a", "1"), await pair.set("b", "2"), await pair.set("a", "3")];
      await pair.send(first);
      // Read from the log, the records lie in other blocks than they were first sent in.
      const all = { ...first, records: 3, bytes: concatBytes([first.bytes, second.bytes, third.bytes]) };
      await pair.send(all);
      await pair.send(second);
      assertEquals([pair.follower.records, await contentOf(pair.slave)], [3, await contentOf(pair.master)]);
      await pair.send(await pair.set("a", "4"));
      assertEquals(await contentOf(pair.slave), await contentOf(pair.master));
      await pair.close();
    });
  }

  it("refuses a damaged block and takes it when it comes again", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const block = await pair.set("a", "1");
    const bytes = block.bytes.slice();
    bytes[bytes.length - 1] = 0x2a;
    await assertRejects(() => pair.send({ ...block, bytes }), FlareError, "is damaged");
    assertEquals(await read(pair.slave, "a", pair.world.nowSeconds), undefined);
    await pair.send(block);
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.value, "1");
    await pair.close();
  });

  it("continues a stream only if it has everything up to there", async () => {
    const pair = await Pair.open();
    const { follower } = pair;
    assertEquals(follower.open(MASTER, { id: ID, next: 1 }), "LOST");
    assertEquals([follower.source, follower.sequence], [undefined, undefined]);
    assertEquals(follower.open(MASTER, { id: ID, next: undefined }), "OK");
    assertEquals([follower.source, follower.sequence], [MASTER, undefined]);
    await pair.send(await pair.set("a", "1"));
    assertEquals([follower.source, follower.sequence], [MASTER, 1]);
    assertEquals(follower.open(MASTER, { id: ID, next: 2 }), "OK");
    assertEquals(follower.open(MASTER, { id: ID, next: 1 }), "OK");
    assertEquals(follower.open(MASTER, { id: ID, next: 3 }), "LOST");
    assertEquals(follower.open(MASTER, { id: "f".repeat(16), next: 2 }), "LOST");
    await pair.close();
  });

  it("applies nothing of a node that is not its master by its own map", async () => {
    const pair = await Pair.open();
    const { follower } = pair;
    const block = await pair.set("a", "1");
    assertThrows(() => follower.open("c:3", { id: ID, next: undefined }), FlareError, 'is a slave of "a:1", not of "c:3"');
    follower.open(MASTER, { id: ID, next: undefined });
    await pair.send(block);
    const next = await pair.set("a", "2");
    // A slave has taken over: this one, or another one.
    for (const nodes of [
      ["NODE a 1 2 1 -1 0 16", "NODE b 2 0 0 0 1 17"],
      ["NODE a 1 2 1 -1 0 16", "NODE b 2 1 0 0 1 17", "NODE c 3 0 0 0 1 18"],
    ]) {
      pair.routing.install(mapOf(2, nodes));
      await assertRejects(() => pair.send(next), FlareError, "by node map 2");
      assertThrows(() => follower.open(MASTER, { id: ID, next: 2 }), FlareError, 'not of "a:1"');
      assertEquals(follower.source, undefined);
    }
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.value, "1");
    await pair.close();
  });

  it("takes a block again that could not be committed", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const [first, second] = [await pair.set("a", "1"), await pair.set("a", "2")];
    await pair.send(first);
    await pair.send(second);
    pair.follower.rolledBack({ ...first, id: ID, mapVersion: "1", replicated: 0 });
    await assertRejects(() => pair.send(second), FlareError, "continues with 1 here");
    await pair.send(first);
    await pair.send(second);
    assertEquals((await read(pair.slave, "a", pair.world.nowSeconds))?.value, "2");
    await pair.close();
  });

  it("refuses a block of which the log has lost a part while the rest waited for the engine", async () => {
    const pair = await Pair.open(false);
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const { master, slave, slaveEngine, slaveFiles, world } = pair;
    await Promise.all(["early", "late"].map((key) => write(master, set(key, "1"), world.nowSeconds)));
    await committed(master);
    const block = pair.blocks.at(-1) as LogBlock;
    assertEquals(block.records, 2);
    const read = slaveEngine.get.bind(slaveEngine);
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    slaveEngine.get = async (key) => {
      if (latin1(key).endsWith("late")) await released;
      return read(key);
    };
    slaveFiles.appendFault = new FlareError("DISK_FULL", "no space left", { retriable: true });
    const refused = assertRejects(() => pair.send(block), FlareError, "a part of the block was rolled back");
    while (slave.rollbacks === 0) await new Promise((resolve) => setImmediate(resolve));
    slaveFiles.appendFault = undefined;
    release();
    await refused;
    await pair.send(block);
    assertEquals(await contentOf(slave), await contentOf(master));
    await pair.close();
  });

  it("refuses the whole block of an item that its storage refuses", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const block = await pair.set("k".repeat(30), "1");
    await pair.slave.close();
    await assertRejects(() => pair.send(block), FlareError, "storage is closed");
    await pair.master.close();
  });

  it("keeps no bytes of a block", async () => {
    const pair = await Pair.open(false);
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const sent = [await pair.set("a", "1"), await pair.set("b", "2")];
    const answers = sent.map((block) => {
      const lent = block.bytes.slice();
      const answer = pair.follower.apply(MASTER, { ...block, id: ID, mapVersion: "1", replicated: 0 }, lent);
      lent.set(fromLatin1("*".repeat(lent.length)));
      return answer;
    });
    await Promise.all(answers);
    assertEquals(await contentOf(pair.slave), await contentOf(pair.master));
    await pair.close();
  });

  it("marks with each block what it has, once nothing is missing, and says so when a stream is opened", async () => {
    const pair = await Pair.open();
    const { follower, slave } = pair;
    const marked = () => slave.positions.find(({ history }) => history === ID)?.sequence;
    const reopened = () => follower.open(MASTER, { id: "f".repeat(16), next: undefined });
    follower.open(MASTER, { id: ID, next: undefined });
    await pair.send(await pair.set("a", "1"));
    assertEquals([marked(), reopened()], [undefined, "OK"]);

    follower.open(MASTER, { id: ID, next: undefined });
    await pair.send(await pair.set("b", "1"));
    follower.complete(follower.following);
    await committed(slave);
    assertEquals(marked(), 2);
    await pair.send(await pair.set("c", "1"));
    assertEquals([marked(), reopened()], [3, `OK ${ID} 3`]);

    // Of another stream than the one for which nothing was missing.
    follower.expect(MASTER, ID, 4, false);
    const before = follower.following;
    follower.expect(MASTER, ID, 4, false);
    follower.complete(before);
    await pair.send(await pair.set("d", "1"));
    assertEquals([marked(), reopened()], [3, "OK"]);

    // Something was changed here that the master knows nothing of.
    follower.expect(MASTER, ID, 5, true);
    await pair.send(await pair.set("e", "1"));
    assertEquals(marked(), 5);
    await write(slave, set("stranger", "1"), pair.world.nowSeconds);
    await committed(slave);
    assertEquals(reopened(), "OK");
    await pair.close();
  });

  it("says what it has to one master after the other, as long as none of them sends anything", async () => {
    const pair = await Pair.open();
    const { follower, slave } = pair;
    const ask = (history: string) => follower.open(MASTER, { id: history.repeat(16), next: undefined });
    follower.expect(MASTER, ID, 1, true);
    await pair.send(await pair.set("a", "1"));
    assertEquals([ask("e"), ask("f")], [`OK ${ID} 1`, `OK ${ID} 1`]);
    await write(slave, set("stranger", "1"), pair.world.nowSeconds);
    await committed(slave);
    assertEquals(ask("e"), "OK");
    await pair.close();
  });

  it("does not say what it has while a block waits for the engine", async () => {
    const pair = await Pair.open(false);
    const { follower } = pair;
    follower.expect(MASTER, ID, 1, true);
    const ask = () => follower.open(MASTER, { id: "f".repeat(16), next: undefined });
    const waiting = pair.send(await pair.set("a", "1"));
    assertThrows(ask, FlareError, "still applying a block");
    await waiting;
    await new Promise<void>((resolve) => setImmediate(resolve));
    assertEquals(ask(), `OK ${ID} 1`);
    await pair.close();
  });

  it("follows nothing before it is known where it continues, unless it is in use", async () => {
    const pair = await Pair.open();
    const { follower } = pair;
    const open = () => follower.open(MASTER, { id: ID, next: undefined });
    pair.routing.install(mapOf(2, ["NODE a 1 0 0 0 1 16", "NODE b 2 1 1 0 1 17"]));
    follower.undecided();
    assertThrows(open, FlareError, "asking where it continues");
    follower.decided();
    assertEquals(open(), "OK");
    follower.undecided();
    pair.routing.install(mapOf(3, AS_SLAVE));
    assertEquals(open(), "OK");
    await pair.close();
  });

  it("drops everything where its master did, and not at what it has applied before", async () => {
    for (const syncReads of [true, false]) {
      const pair = await Pair.open(syncReads);
      pair.follower.open(MASTER, { id: ID, next: undefined });
      await write(pair.master, set("before", "1"), pair.world.nowSeconds);
      pair.master.flushAll();
      await write(pair.master, set("after", "1"), pair.world.nowSeconds);
      await committed(pair.master);
      assertEquals(pair.blocks.length, 1);
      await pair.send(pair.blocks[0] as LogBlock);
      assertEquals(await contentOf(pair.slave), await contentOf(pair.master));
      assertEquals(pair.slave.stats().items, 1);
      await pair.close();
    }
  });

  it("answers no reads by a map with fewer partitions than its master's", async () => {
    const pair = await Pair.open();
    pair.follower.open(MASTER, { id: ID, next: undefined });
    const beat = (number: number, partitions: number): void =>
      pair.follower.beacon(MASTER, {
        ...{ id: ID, number, proved: number - 1, masterMs: 4000, slaveMs: 3000, replicated: 0, reached: 0 },
        partitions,
      });
    const seen = (): readonly boolean[] => [pair.follower.mayRead, pair.follower.lacksPartition];
    beat(1, 1);
    beat(2, 1);
    assertEquals(seen(), [true, false]);
    beat(3, 2);
    assertEquals(seen(), [false, true]);
    const grown = [...AS_SLAVE, "NODE c 3 0 0 1 1 18"];
    pair.routing.install(mapOf(2, grown));
    assertEquals(seen(), [true, false]);
    // A master that does not know of a partition takes more keys for its own, not this replica.
    beat(4, 1);
    assertEquals(seen(), [true, false]);
    await pair.close();
  });
});
