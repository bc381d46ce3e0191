/**
 * The change log's form on disk: what is written is read, and whatever byte is damaged, no record comes out that was not
 * written, none twice, and none out of order.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import type { Uint64 } from "../../../../lib/base/uint64.ts";
import {
  decodeLogHeader,
  encodeLogHeader,
  encodeLogRecord,
  LOG_HEADER_BYTES,
  LOG_RECORD_HEADER_BYTES,
  LogKind,
  LogReader,
  logRecordCrc,
} from "../../../../lib/storage/log/log_record.ts";

const HEADER = { salt: 0x12345678, history: "10000000fedcba98", firstSequence: 5 };
/** What a record says, in words; the sequence in front. */
const RECORDS = [
  [5, LogKind.put, 1, 1, 7, 0, 0, "a", "value"],
  [6, LogKind.delete, 1, 18446744073709551615n, 0, 4294967295, 0, "a", ""],
  [7, LogKind.state, 4294967295, 0, 0, 0, 0, "", ""],
  [8, LogKind.put, 2, 9007199254740993n, 4294967295, 1, 3, "k".repeat(250), "v".repeat(300)],
] as const;

function segment(salt = HEADER.salt): Uint8Array {
  const parts = RECORDS.map(([sequence, kind, generation, version, flags, expire, marks, key, value]) => {
    const bytes = new Uint8Array(LOG_RECORD_HEADER_BYTES + key.length + value.length);
    const view = new DataView(bytes.buffer);
    const around = fromLatin1(`<${key}>`);
    const entry = { bytes: around, keyStart: 1, keyEnd: 1 + key.length, flags, expire, version: version as Uint64, marks };
    const at = encodeLogRecord(bytes, view, 0, kind, generation, sequence, entry, value.length);
    bytes.set(fromLatin1(value), at);
    view.setUint32(0, logRecordCrc(bytes, 0, bytes.length, salt), true);
    return latin1(bytes);
  });
  return fromLatin1(latin1(encodeLogHeader({ ...HEADER, salt })) + parts.join(""));
}

function read(bytes: Uint8Array): { records: unknown[]; reader: LogReader } {
  const reader = new LogReader(bytes, HEADER);
  const records: unknown[] = [];
  while (reader.next()) {
    const { sequence, kind, generation, version, flags, expire, marks, keyStart, keyEnd, valueStart, valueEnd } = reader;
    const [key, value] = [latin1(bytes, keyStart, keyEnd), latin1(bytes, valueStart, valueEnd)];
    records.push([sequence, kind, generation, version, flags, expire, marks, key, value]);
  }
  return { records, reader };
}

describe("a log segment", () => {
  it("is read as it was written", () => {
    const bytes = segment();
    assertEquals(decodeLogHeader(bytes, "log"), HEADER);
    const { records, reader } = read(bytes);
    assertEquals(records, RECORDS as unknown as unknown[]);
    assertEquals([reader.end, reader.lastSequence, reader.damages], [bytes.length, 8, []]);
  });

  it("ends with its last whole record, wherever it is torn", () => {
    const bytes = segment();
    for (let length = LOG_HEADER_BYTES; length < bytes.length; length++) {
      const { records, reader } = read(bytes.slice(0, length));
      assertEquals(records, RECORDS.slice(0, records.length) as unknown as unknown[]);
      assert(records.length < RECORDS.length && reader.end <= length);
      assertEquals(reader.damages, []);
    }
  });

  it("gives no record that was not written, whichever bytes are damaged, and tells where and how many are missing", () => {
    const bytes = segment();
    const at = fc.integer({ min: LOG_HEADER_BYTES, max: bytes.length - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }), (flips) => {
        const damaged = bytes.slice();
        for (const [at, bits] of flips) damaged[at] = (damaged[at] as number) ^ bits;
        const { records, reader } = read(damaged);
        const written = new Map(RECORDS.map((record) => [record[0], record]));
        let last = 0;
        for (const record of records as [number][]) {
          assert(record[0] > last);
          last = record[0];
          assertEquals(record as unknown, written.get(record[0] as 5) as unknown);
        }
        const missing = reader.damages.reduce((sum, { records }) => sum + records, 0);
        if (last > 0) assertEquals(missing, last - 4 - records.length);
      }),
    );
  });

  it("rejects records of another segment", () => {
    const other = segment(HEADER.salt + 1);
    assertEquals(read(other).records, []);
  });

  it("has its header twice, and is refused when it is of another format", () => {
    const bytes = encodeLogHeader(HEADER);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] as number) ^ 1;
      assertEquals(decodeLogHeader(damaged, "log"), HEADER, `byte ${at}`);
    }
    for (let length = 0; length < LOG_HEADER_BYTES / 2; length++)
      assertEquals(decodeLogHeader(bytes.slice(0, length), "log"), undefined);
    assertEquals(decodeLogHeader(bytes.slice(0, LOG_HEADER_BYTES / 2), "log"), HEADER);
    assertEquals(decodeLogHeader(new Uint8Array(LOG_HEADER_BYTES), "log"), undefined);
  });

  it("of a later version is refused by name", async () => {
    const { crc32 } = await import("../../../../lib/base/crc32.ts");
    const bytes = encodeLogHeader(HEADER);
    const view = new DataView(bytes.buffer);
    view.setUint32(8, 9, true);
    view.setUint32(32, crc32(bytes, 0, 32), true);
    const error = assertThrows(() => decodeLogHeader(bytes, "log"), FlareError) as FlareError;
    assertEquals([error.code, error.message.includes('"log" has format 9')], ["UNSUPPORTED", true]);
  });
});
