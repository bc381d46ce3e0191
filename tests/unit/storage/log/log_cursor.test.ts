/**
 * Reading a change log from any sequence on, in parts of any size, while it is written, rotated and removed.
 *
 * Covers lib/storage/log/log_segment.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { ChangeLog } from "../../../../lib/storage/log/change_log.ts";
import { readBlock } from "../../../../lib/storage/log/log_block.ts";
import { LogCursor } from "../../../../lib/storage/log/log_cursor.ts";
import { LOG_HEADER_BYTES } from "../../../../lib/storage/log/log_record.ts";
import { logSegmentName } from "../../../../lib/storage/log/log_segment.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld } from "../../../support/storage_world.ts";

/** Sets keys `k1`, `k2`, … with values of very different lengths. */
class WrittenLog {
  readonly files = new MemoryFiles();
  readonly log = ChangeLog.open(new StorageWorld(this.files).runtime, "data", 1 << 20, [], 1);

  write(count: number): void {
    for (let i = 0; i < count; i++) {
      const key = fromLatin1(`k${this.log.nextSequence}`);
      const value = new Uint8Array(this.log.nextSequence % 5 === 0 ? 3000 : 7);
      const bytes = new Uint8Array(key.length + value.length);
      bytes.set(key);
      const entry = { bytes, keyStart: 0, keyEnd: key.length, flags: 0, expire: 0, version: 1, marks: 0 };
      this.log.put({ ...entry, valueStart: key.length, valueEnd: bytes.length }, 1);
      this.log.append();
    }
  }

  cursor(first: number): LogCursor {
    return new LogCursor(this.files, () => this.log.files, first);
  }

  path(number: number): string {
    return `data/${logSegmentName(number)}`;
  }
}

async function keysOf(cursor: LogCursor, last: number, bytesMax: number): Promise<string[]> {
  const keys: string[] = [];
  for (let block = await cursor.read(last, bytesMax); block !== undefined; block = await cursor.read(last, bytesMax)) {
    assertEquals(block.firstSequence + block.records, cursor.next);
    readBlock(block, ({ bytes, keyStart, keyEnd }) => void keys.push(latin1(bytes.subarray(keyStart, keyEnd))));
  }
  return keys;
}

const names = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => `k${first + i}`);

describe("LogCursor", () => {
  it("gives every record once, from each sequence up to each other, whatever the size of its reads", async () => {
    const written = new WrittenLog();
    for (const count of [4, 7, 1, 6]) {
      written.write(count);
      written.log.rotate();
    }
    written.write(3);
    for (let first = 1; first <= 22; first++) {
      for (const last of [first - 1, Math.min(first, 21), 12, 21]) {
        for (const bytesMax of [1, 60, 777, 1 << 20]) {
          const expected = names(first, Math.max(last, first - 1));
          assertEquals(await keysOf(written.cursor(first), last, bytesMax), expected, `${first} to ${last}, ${bytesMax} bytes`);
        }
      }
    }
  });

  it("continues with what is written after it has read everything", async () => {
    const written = new WrittenLog();
    const cursor = written.cursor(1);
    assertEquals(await cursor.read(written.log.lastSequence, 1000), undefined);
    for (let round = 0; round < 5; round++) {
      const first = written.log.nextSequence;
      written.write(3);
      if (round % 2 === 1) written.log.rotate();
      assertEquals(await keysOf(cursor, written.log.lastSequence, 1000), names(first, first + 2));
    }
  });

  it("refuses what is no longer there, before and while it reads", async () => {
    const written = new WrittenLog();
    for (let segment = 0; segment < 3; segment++) {
      written.write(10);
      written.log.rotate();
    }
    const cursor = written.cursor(2);
    assertEquals(cursor.isThere, true);
    await cursor.read(30, 100);
    await written.log.removeThrough(2);
    assertEquals([cursor.isThere, written.cursor(20).isThere, written.cursor(21).isThere], [false, false, true]);
    await assertRejects(() => keysOf(cursor, 30, 100), FlareError, "the change log no longer has record");
    assertEquals(await keysOf(written.cursor(21), 30, 100), names(21, 30));
  });

  it("gives no block from behind a damaged byte", async () => {
    const written = new WrittenLog();
    written.write(12);
    written.log.rotate();
    written.write(1);
    const intact = written.files.content(written.path(1)).slice();
    for (let at = LOG_HEADER_BYTES; at < intact.length; at += 13) {
      const bytes = intact.slice();
      bytes[at] = (bytes[at] as number) ^ 1;
      written.files.write(written.path(1), bytes);
      await assertRejects(() => keysOf(written.cursor(1), 13, 200), FlareError, undefined, `byte ${at}`);
    }
    written.files.write(written.path(1), intact.subarray(0, intact.length - 1));
    await assertRejects(() => keysOf(written.cursor(1), 13, 200), FlareError, "is shorter than");
    written.files.write(written.path(1), new Uint8Array(intact.length));
    await assertRejects(() => keysOf(written.cursor(1), 13, 200), FlareError, "has no readable header");
  });
});
