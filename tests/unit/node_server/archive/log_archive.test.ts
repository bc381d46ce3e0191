/** Archiving a log: it goes on where it ended, stops nothing when it fails, says what it lacks, and removes what is old. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ArchiveIndex } from "../../../../lib/admin/archive/archive_index.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { ARCHIVE, ArchivedNode, START_SECOND, stateAt } from "../../../support/archived_node.ts";
import type { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld, set } from "../../../support/storage_world.ts";

const filesOf = (node: ArchivedNode): MemoryFiles => node.world.files as MemoryFiles;
const partsOf = (node: ArchivedNode): string[] =>
  [...filesOf(node).files.keys()].filter((path) => path.startsWith(ARCHIVE)).map((path) => path.split("/").at(-1) as string);

/** The first and last records of all parts that have some, in order. */
async function rangesOf(node: ArchivedNode): Promise<string[]> {
  const { logs } = await ArchiveIndex.open(filesOf(node), [ARCHIVE]);
  const parts = [...logs.values()].flatMap((log) => log.parts).filter(({ records }) => records > 0);
  return parts
    .toSorted((left, right) => left.firstSequence - right.firstSequence)
    .map(({ firstSequence, records }) => `${firstSequence}-${firstSequence + records - 1}`);
}

describe("LogArchive", () => {
  it("continues where it ended, through segments, runs, stops and kills; no record twice, none missing", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a", { logSegmentBytes: 4096 });
    for (let i = 0; i < 40; i++) await node.write(set(`key${i % 12}`, "x".repeat(300)));
    await node.archive.run();
    const first = await rangesOf(node);
    assert(first.length > 2, "one part per segment");
    for (let i = 0; i < 5; i++) await node.write(set("key1", "y"));
    await node.kill();
    await node.archive.run();
    await node.write(set("key1", "z"));
    await node.archive.stop();
    await node.storage.close();
    await node.open();
    await node.archive.run();
    const ranges = await rangesOf(node);
    assertEquals(ranges.slice(0, first.length), first);
    for (const [at, range] of ranges.entries()) {
      const before = ranges[at - 1]?.split("-")[1] ?? "0";
      assertEquals(range.split("-")[0], String(Number(before) + 1), ranges.join(" "));
    }
    assertEquals(ranges.at(-1)?.split("-")[1], String(node.storage.lastSequence));
    const { logs, problems } = await ArchiveIndex.open(filesOf(node), [ARCHIVE]);
    assertEquals(problems, []);
    assertEquals([...logs.values()].filter(({ follows }) => follows === undefined).length, 1, "only the first follows none");
  });

  it("says up to when nothing was written, in one part", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a");
    const snapshot = await node.snapshot();
    await node.archive.run();
    for (let i = 1; i <= 3; i++) {
      node.world.nowMs += 10_000;
      await node.archive.run();
    }
    assertEquals(partsOf(node).length, 2);
    assertEquals(await stateAt(filesOf(node), snapshot, START_SECOND + 30), "");
    // A node that cannot answer for its partition says nothing.
    node.isSure = false;
    node.world.nowMs += 10_000;
    await node.archive.run();
    assertEquals(partsOf(node).length, 2);
  });

  it("stops nothing when its disk is full, keeps the log meanwhile, and goes on", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a", { logSegmentBytes: 4096, logRetentionBytes: 0 });
    const files = filesOf(node);
    const { create } = files;
    files.create = () => Promise.reject(new FlareError("DISK_FULL", "no space left", { retriable: true }));
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20; i++) await node.write(set(`key${i % 12}`, `${round}`.repeat(300)));
      await node.storage.checkpoint();
      await node.archive.run();
    }
    assertEquals([node.archive.failures, node.archive.fault], [5, "no space left"]);
    const said = node.world.messages("error").filter((line) => line.includes("archive"));
    assertEquals(said, ["the change log cannot be archived, retrying: no space left"]);
    files.create = create;
    await node.archive.run();
    assertEquals([node.archive.fault, node.archive.missing], [undefined, 0]);
    assert(node.world.messages("notice").includes("the change log is archived again"));
    assertEquals((await rangesOf(node))[0]?.split("-")[0], "1");
    assert(node.storage.logFiles.length > 5);
    // What is archived is not kept for it.
    await node.write(set("key1", "last"));
    await node.storage.checkpoint();
    await node.archive.run();
    await node.storage.checkpoint();
    assert(node.storage.logFiles.length <= 2, `${node.storage.logFiles.length} segments`);
  });

  it("counts and names what it could not keep", async () => {
    const options = { logSegmentBytes: 4096, logRetentionBytes: 0 };
    const node = await ArchivedNode.open(new StorageWorld(), "a", options, { logArchiveBacklogBytes: 8192 });
    await node.archive.run();
    for (let i = 0; i < 100; i++) await node.write(set(`key${i % 12}`, "x".repeat(300)));
    await node.storage.checkpoint();
    await node.write(set("key1", "last"));
    await node.archive.run();
    const [line = ""] = node.world.messages("error");
    assertMatch(line, /^the change log from \d+ to \d+ is not in the archive: it was removed before; take a backup/);
    const [, first, last] = /from (\d+) to (\d+)/.exec(line) ?? [];
    assertEquals(node.archive.missing, Number(last) - Number(first) + 1);
    const { logs } = await ArchiveIndex.open(filesOf(node), [ARCHIVE]);
    assertEquals(
      [...logs.values()].flatMap(({ gaps }) => gaps.map((gap) => [...gap])),
      [[Number(first), Number(last)]],
    );
  });

  it("leaves out a damaged part of the log, says so, and goes on behind it", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a", { logSegmentBytes: 4096 });
    for (let i = 0; i < 40; i++) await node.write(set(`key${i % 12}`, "x".repeat(300)));
    const [segment] = node.storage.logFiles;
    assert(segment !== undefined);
    const bytes = filesOf(node).content(segment.path);
    bytes[2000] = (bytes[2000] as number) ^ 1;
    filesOf(node).write(segment.path, bytes);
    await node.archive.run();
    assert(node.archive.missing > 0 && node.archive.fault === undefined);
    assertMatch(node.world.messages("error")[0] ?? "", /^the change log from \d+ to \d+ is not in the archive: /);
    assertEquals((await rangesOf(node)).at(-1)?.split("-")[1], String(node.storage.lastSequence));
  });

  it("removes parts that are too old, and what a write has left that did not end", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a", {}, { logArchiveRetentionSeconds: 100 });
    await node.archive.run();
    const own = `${ARCHIVE}/${node.storage.identity.id}`;
    filesOf(node).write(`${own}/x.changes.123.tmp`, new Uint8Array(10));
    filesOf(node).write(`${ARCHIVE}/${"0".repeat(32)}/0123456789abcdef-0000000000000001-1-1.changes`, new Uint8Array(10));
    await node.write(set("key1", "a"));
    await node.kill();
    await node.archive.run();
    const [first] = partsOf(node);
    await node.world.advance(200_000);
    await node.write(set("key1", "b"));
    await node.archive.run();
    assert(!partsOf(node).includes(first as string));
    assert(!partsOf(node).some((name) => name.endsWith(".tmp")));
    assert(partsOf(node).includes("0123456789abcdef-0000000000000001-1-1.changes"), "what another node has written stays");
    assertEquals((await rangesOf(node).catch(() => [])).length > 0, true);
  });

  it("does not wait for an archive that does not answer", async () => {
    const node = await ArchivedNode.open(new StorageWorld(), "a");
    filesOf(node).create = () => new Promise(() => undefined);
    await node.write(set("key1", "a"));
    void node.archive.run();
    await node.write(set("key1", "b"));
    const stopping = node.archive.stop();
    await node.world.advance(5000);
    await stopping;
    assertMatch(node.world.messages("warning").at(-1) ?? "", /is not archived yet, .*: it took more than 5000 ms$/);
  });
});
