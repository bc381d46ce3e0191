/**
 * Restoring any second from an archived log: what is replayed is what the node had at the beginning of that second, through
 * restarts, kills, flushes and segments, wherever the archive was cut into parts.
 *
 * Covers lib/storage/log/time_stamp.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FlareError } from "../../../../lib/base/errors.ts";
import { MutationKind } from "../../../../lib/item/mutation.ts";
import { ArchivedNode, KEYS, START_SECOND, stateAt } from "../../../support/archived_node.ts";
import type { MemoryFiles } from "../../../support/memory_files.ts";
import { mutation, StorageWorld, set } from "../../../support/storage_world.ts";

type Step = { readonly kind: string; readonly key: number };

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "set",
      "set",
      "set",
      "delete",
      "touch",
      "expiring",
      "flush",
      "archive",
      "second",
      "second",
      "kill",
      "restart",
      "checkpoint",
    ),
    key: fc.nat({ max: KEYS.length - 1 }),
  }),
  { minLength: 20, maxLength: 120 },
);

async function run(node: ArchivedNode, { kind, key }: Step, number: number): Promise<void> {
  const name = KEYS[key] as string;
  if (kind === "set") return node.write(set(name, `value${number}`, { flags: number }));
  if (kind === "delete") return node.write(mutation(MutationKind.delete, name));
  if (kind === "touch") return node.write(mutation(MutationKind.touch, name, "", { expire: node.world.nowSeconds + 100 }));
  if (kind === "expiring") return node.write(set(name, `short${number}`, { expire: node.world.nowSeconds + 2 }));
  if (kind === "flush") return node.flush();
  if (kind === "archive") return node.archive.run();
  if (kind === "checkpoint") return node.storage.checkpoint();
  if (kind === "kill") return node.kill(undefined, number);
  if (kind !== "restart") return;
  await node.archive.stop();
  await node.storage.close();
  await node.open();
}

describe("a replay", () => {
  it("gives what there was at the beginning of every second", async () => {
    let [seconds, flushes] = [0, 0];
    await fc.assert(
      fc.asyncProperty(steps, fc.nat({ max: 10 }), fc.constantFrom(1, 3, 1 << 20), async (given, before, roundRecordsMax) => {
        const node = await ArchivedNode.open(new StorageWorld(), "a", { logSegmentBytes: 4096 });
        const states = new Map<number, string>();
        let snapshot: Awaited<ReturnType<ArchivedNode["snapshot"]>> | undefined;
        for (const [number, step] of given.entries()) {
          if (number === Math.min(before, given.length - 1)) {
            snapshot = await node.snapshot();
            node.world.nowMs = (node.world.nowSeconds + 1) * 1000;
            states.set(node.world.nowSeconds, await node.state());
          }
          if (step.kind === "second") {
            node.world.nowMs += 500;
            if (node.world.nowMs % 1000 === 0 && snapshot !== undefined) states.set(node.world.nowSeconds, await node.state());
          }
          if (step.kind === "flush") flushes++;
          await run(node, step, number);
        }
        assert(snapshot !== undefined);
        node.world.nowMs = (node.world.nowSeconds + 1) * 1000;
        states.set(node.world.nowSeconds, await node.state());
        await node.archive.run();
        assertEquals(node.archive.fault, undefined);
        for (const [second, expected] of states) {
          assertEquals(
            await stateAt(node.world.files as MemoryFiles, snapshot, second, roundRecordsMax),
            expected,
            `at ${second}`,
          );
          seconds++;
        }
      }),
      { numRuns: 60 },
    );
    assert(seconds > 150 && flushes > 20, `${seconds} seconds, ${flushes} flushes`);
  });

  it("follows a slave where that is promoted, and never what the former master wrote alone", async () => {
    const world = new StorageWorld();
    const a = await ArchivedNode.open(world, "a");
    const other = new StorageWorld(world.files, 99);
    const b = await ArchivedNode.open(other, "b", {}, {}, "slave 0/1 5");
    const toSecond = (second: number): void => {
      world.nowMs = second * 1000;
      other.nowMs = second * 1000;
    };
    const files = world.files as MemoryFiles;
    const cutOff = b.follow(a);
    await a.write(set("key0", "before"));
    const snapshot = await a.snapshot();
    toSecond(START_SECOND + 1);
    await a.write(set("key1", "one"));
    toSecond(START_SECOND + 2);
    await a.archive.run();
    await a.write(set("key2", "not archived by a"));
    toSecond(START_SECOND + 3);
    // From here a is cut off: it writes alone, and b takes over.
    cutOff();
    await a.write(set("key3", "alone"));
    a.isSure = false;
    toSecond(START_SECOND + 4);
    await b.become("master 0/1 6");
    await b.write(set("key1", "two"));
    toSecond(START_SECOND + 5);
    await a.write(set("key4", "alone"));
    await b.write(mutation(MutationKind.delete, "key0"));
    const expected = new Map([[START_SECOND + 6, await b.state()]]);
    toSecond(START_SECOND + 6);
    await b.flush();
    await b.write(set("key5", "after"));
    expected.set(START_SECOND + 7, await b.state());
    toSecond(START_SECOND + 7);
    await a.archive.run();
    // Without b's archive nothing after the change can be restored, and that is said.
    await assertRejects(() => stateAt(files, snapshot, START_SECOND + 6), FlareError, "the archive reaches to");
    await b.archive.run();
    for (const [second, state] of expected) assertEquals(await stateAt(files, snapshot, second), state);
    const early = await stateAt(files, snapshot, START_SECOND + 2);
    assertEquals(early, "key0=before f0 e0 v1\nkey1=one f0 e0 v1");
    const between = await stateAt(files, snapshot, START_SECOND + 3);
    assertEquals(between, `${early}\nkey2=not archived by a f0 e0 v1`);

    // A former master that has copied from the new one is like any other slave, and may be the master again.
    a.storage.flushAll();
    await a.write(set("key5", "after"));
    a.storage.markPosition({ history: b.storage.history, sequence: b.storage.lastSequence });
    await a.become("slave 0/1 7");
    a.isSure = true;
    const end = a.follow(b);
    toSecond(START_SECOND + 8);
    await b.write(set("key6", "both"));
    end();
    toSecond(START_SECOND + 9);
    await a.become("master 0/1 8");
    await a.write(set("key7", "a again"));
    toSecond(START_SECOND + 10);
    await a.archive.run();
    await b.archive.run();
    for (const [second, state] of expected) assertEquals(await stateAt(files, snapshot, second), state);
    const [last, before] = [
      await stateAt(files, snapshot, START_SECOND + 10),
      await stateAt(files, snapshot, START_SECOND + 9),
    ];
    assertEquals(before, "key5=after f0 e0 v1\nkey6=both f0 e0 v1");
    assertEquals(last, `${before}\nkey7=a again f0 e0 v1`);
  });

  it("has no change that a power cut took, although it was archived", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a", { fsync: "os" });
    await node.write(set("key0", "kept"));
    const snapshot = await node.snapshot();
    await node.storage.checkpoint();
    node.world.nowMs += 1000;
    await node.write(set("key1", "lost"));
    await node.archive.run();
    node.world.nowMs += 1000;
    await node.archive.run();
    await node.kill((node.world.files as MemoryFiles).powerCut());
    assertEquals(await node.state(), "key0=kept f0 e0 v1");
    await node.write(set("key2", "after"));
    node.world.nowMs += 1000;
    await node.archive.run();
    const files = node.world.files as MemoryFiles;
    assertEquals(await stateAt(files, snapshot, START_SECOND + 2), "key0=kept f0 e0 v1\nkey1=lost f0 e0 v1");
    assertEquals(await stateAt(files, snapshot, START_SECOND + 3), "key0=kept f0 e0 v1\nkey2=after f0 e0 v1");
    assertEquals(node.archive.missing, 0);
  });

  it("knows the second of a change whose first attempt failed", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a");
    const files = node.world.files as MemoryFiles;
    const snapshot = await node.snapshot();
    node.world.nowMs += 2000;
    files.appendFault = new FlareError("DISK_FULL", "no space left", { retriable: true });
    await assertRejects(() => node.write(set("key0", "refused")), FlareError, "no space left");
    files.appendFault = undefined;
    await node.write(set("key1", "stored"));
    node.world.nowMs += 1000;
    await node.archive.run();
    assertEquals(await stateAt(files, snapshot, START_SECOND + 2), "");
    assertEquals(await stateAt(files, snapshot, START_SECOND + 3), "key1=stored f0 e0 v1");
  });
});
