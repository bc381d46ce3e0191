/** The format of archived parts: read as written, and refused wherever a byte of it is changed or missing. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import {
  type ArchivePart,
  ArchivePartWriter,
  archiveHeadLength,
  archivePartName,
  decodeArchiveHead,
  parseArchivePartName,
  readArchivePart,
} from "../../../../lib/storage/log/archive_part.ts";
import { ChangeLog } from "../../../../lib/storage/log/change_log.ts";
import { LogCursor } from "../../../../lib/storage/log/log_cursor.ts";
import { encodeStamp } from "../../../../lib/storage/log/time_stamp.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld } from "../../../support/storage_world.ts";

const OTHER = "0123456789abcdef";
const THIRD = "fedcba9876543210";
const head = {
  history: OTHER,
  firstSequence: 1,
  second: 17,
  node: "höst:1",
  reached: 16,
  follows: { history: THIRD, sequence: 9 },
};

/** Writes stamps, marks and items, and reads them back in small blocks. */
async function writePart(): Promise<{ bytes: Uint8Array; writer: ArchivePartWriter }> {
  const files = new MemoryFiles();
  const log = ChangeLog.open(new StorageWorld(files).runtime, "data", 1 << 20, [], 1);
  const put = (key: string): void => {
    const bytes = fromLatin1(key);
    const entry = { bytes, keyStart: 0, keyEnd: bytes.length, flags: 0, expire: 0, version: 1, marks: 0 };
    log.put({ ...entry, valueStart: 0, valueEnd: bytes.length }, 1);
  };
  for (const [second, label] of [
    [10, "a"],
    [11, "a"],
    [12, "a"],
    [13, "b"],
    [14, "a"],
  ] as const) {
    log.state(1, 0, false, { key: () => encodeStamp(label), version: second });
    put(`key${second}`);
    log.state(1, 0, false, { key: () => (second < 13 ? OTHER : THIRD), version: second });
    log.append();
  }
  const cursor = new LogCursor(files, () => log.files, 1);
  const writer = new ArchivePartWriter();
  let salt = 0;
  for (let block = await cursor.read(15, 100); block !== undefined; block = await cursor.read(15, 100)) {
    writer.add(block);
    salt = block.salt;
  }
  return { bytes: writer.encode({ ...head, salt }), writer };
}

function read(bytes: Uint8Array): { part: ArchivePart; keys: string[] } {
  const headBytes = archiveHeadLength(bytes) ?? bytes.length;
  const part = decodeArchiveHead(bytes.subarray(0, headBytes), "p");
  const keys: string[] = [];
  readArchivePart(part, bytes.subarray(headBytes), "p", (reader) => {
    keys.push(latin1(reader.bytes, reader.keyStart, reader.keyEnd));
    return true;
  });
  return { part, keys };
}

describe("a part of an archive", () => {
  it("is read as it was written, with the stamps and marks that matter", async () => {
    const { part, keys } = read((await writePart()).bytes);
    assertEquals({ ...part, ...head }, part);
    assertEquals(part.records, 15);
    assertEquals(
      keys.filter((key) => key.startsWith("key")),
      ["key10", "key11", "key12", "key13", "key14"],
    );
    assertEquals(
      part.stamps.map(({ second, label, sequence }) => `${second}${label}${sequence}`),
      ["10a1", "12a7", "13b10", "14a13"],
    );
    assertEquals(
      part.marks.map(({ history, sequence, at }) => `${history === OTHER} ${sequence} ${at}`),
      ["true 10 3", "true 12 9", "false 13 12", "false 14 15"],
    );
  });

  it("is refused when any byte of it is changed, and when any are missing or added", async () => {
    const { bytes } = await writePart();
    const outcomeOf = (given: Uint8Array): string => {
      try {
        read(given);
        return "read";
      } catch (error) {
        assert(error instanceof FlareError, String(error));
        return error.code;
      }
    };
    assertEquals(outcomeOf(bytes), "read");
    for (let at = 0; at < bytes.length; at++) {
      const other = bytes.slice();
      other[at] = (other[at] as number) ^ 0x10;
      assertEquals(outcomeOf(other), "CORRUPT", `byte ${at}`);
      assertEquals(outcomeOf(bytes.subarray(0, at)), "CORRUPT", `${at} bytes`);
    }
    assertEquals(outcomeOf(new Uint8Array([...bytes, 0])), "CORRUPT");
  });

  it("says in its name where its records belong", () => {
    const name = { history: OTHER, firstSequence: 42, records: 7, second: 1_700_000_000 };
    assertEquals(archivePartName(name), "0123456789abcdef-0000000000000042-7-1700000000.changes");
    assertEquals(parseArchivePartName(archivePartName(name)), name);
    for (const other of ["x.changes", `${archivePartName(name)}.17.tmp`, "changes-0000000000000001.log"])
      assertEquals(parseArchivePartName(other), undefined);
  });
});
