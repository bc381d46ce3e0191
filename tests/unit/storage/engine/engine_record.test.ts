/** The engine's form of keys and values: there and back, in the order of the keys, and no damaged byte goes unnoticed. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { compareBytes, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { crc32 } from "../../../../lib/base/crc32.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { CurrentKind } from "../../../../lib/item/decide.ts";
import {
  decodeMeta,
  ENGINE_HEADER_BYTES,
  emptyEngineRecord,
  encodeMeta,
  GENERATION_BYTES,
  generationStart,
  META_KEY,
  peekEngineValue,
  readEngineValue,
  writeEngineKey,
  writeEngineValue,
} from "../../../../lib/storage/engine/engine_record.ts";

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });

function engineKey(generation: number, key: Uint8Array): Uint8Array {
  const target = new Uint8Array(GENERATION_BYTES + key.length + 2);
  return target.slice(0, writeEngineKey(target, 0, generation, key, 0, key.length));
}

/** A value as the engine gets it, in the middle of something else. */
function engineValue(key: Uint8Array, value: Uint8Array, kind: CurrentKind = CurrentKind.value): Uint8Array {
  const source = fromLatin1(`${latin1(key)}|${latin1(value)}`);
  const target = new Uint8Array(ENGINE_HEADER_BYTES + value.length + 6).fill(0xee);
  const valueStart = key.length + 1;
  const end = writeEngineValue(target, 3, {
    ...{ kind, bytes: source, keyStart: 0, keyEnd: key.length, headStart: 0, headEnd: 0, valueStart, valueEnd: source.length },
    ...{
      flags: 7,
      expire: 4294967295,
      version: 0xfedcba9876543210n,
      marks: 3,
      accessSeconds: 0,
      fetched: false,
      stable: false,
    },
  });
  assertEquals([target[2], target[end]], [0xee, 0xee]);
  return target.slice(3, end);
}

function codeOf(run: () => unknown): string {
  return (assertThrows(run, FlareError) as FlareError).code;
}

describe("an engine key", () => {
  it("is ordered by generation, then by the item's key", () => {
    fc.assert(
      fc.property(uint32, bytes, uint32, bytes, (one, left, other, right) => {
        const expected = one === other ? compareBytes(left, right) : one - other;
        assertEquals(Math.sign(compareBytes(engineKey(one, left), engineKey(other, right))), Math.sign(expected));
        assert(compareBytes(generationStart(one), engineKey(one, left)) < 0);
        if (one > 0) assert(compareBytes(META_KEY, engineKey(one, left)) < 0);
      }),
    );
  });
});

describe("an engine value", () => {
  it("is read as it was written, and belongs to its key alone", () => {
    fc.assert(
      fc.property(bytes, fc.uint8Array({ maxLength: 200 }), (key, value) => {
        const stored = engineValue(key, value);
        const record = emptyEngineRecord();
        readEngineValue(stored, key, 0, key.length, record);
        const { kind, flags, expire, version, marks } = record;
        assertEquals([kind, flags, expire, version, marks], [CurrentKind.value, 7, 4294967295, 0xfedcba9876543210n, 3]);
        assertEquals(record.bytes.slice(ENGINE_HEADER_BYTES), value);
        assertEquals(peekEngineValue(stored), { kind: CurrentKind.value, flags: 7, expire: 4294967295 });
        const other = fromLatin1(`${latin1(key)}x`);
        assertEquals(
          codeOf(() => readEngineValue(stored, other, 0, other.length, record)),
          "CORRUPT",
        );
      }),
    );
  });

  it("of a tombstone has no value", () => {
    assertEquals(engineValue(fromLatin1("key"), fromLatin1("gone"), CurrentKind.tombstone).length, ENGINE_HEADER_BYTES);
  });

  it("is refused with any bit flipped, and cut anywhere", () => {
    const key = fromLatin1("key");
    const stored = engineValue(key, fromLatin1("some value"));
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const damaged = stored.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      // A spare byte is under the checksum, too.
      assertEquals(
        codeOf(() => readEngineValue(damaged, key, 0, 3, emptyEngineRecord())),
        "CORRUPT",
        `bit ${bit}`,
      );
    }
    for (let length = 0; length < stored.length; length++) {
      assertEquals(
        codeOf(() => readEngineValue(stored.slice(0, length), key, 0, 3, emptyEngineRecord())),
        "CORRUPT",
      );
    }
    assertEquals(peekEngineValue(stored.slice(0, ENGINE_HEADER_BYTES - 1)).kind, CurrentKind.absent);
  });
});

describe("the engine's own record", () => {
  it("is read as it was written", () => {
    const meta = fc.record({
      generation: uint32,
      items: uint48,
      tombstones: uint48,
      sequence: uint48,
      flushPlannedFor: uint32,
    });
    fc.assert(fc.property(meta, (meta) => assertEquals(decodeMeta(encodeMeta(meta)), { ...meta })));
  });

  it("of 2.0.0 says neither how far it goes nor that a flush is planned", () => {
    const meta = { generation: 5, items: 2 ** 40 + 1, tombstones: 3, sequence: 99, flushPlannedFor: 77 };
    const old = encodeMeta(meta).slice(0, 24);
    new DataView(old.buffer).setUint32(4, crc32(old, 8), true);
    assertEquals(decodeMeta(old), { ...meta, sequence: 0, flushPlannedFor: 0 });
  });

  it("is refused with any bit flipped, cut anywhere, and of another format by name", () => {
    const whole = encodeMeta({ generation: 1, items: 2, tombstones: 3, sequence: 4, flushPlannedFor: 5 });
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = whole.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      assertEquals(
        codeOf(() => decodeMeta(damaged)),
        bit < 32 ? "UNSUPPORTED" : "CORRUPT",
        `bit ${bit}`,
      );
    }
    for (let length = 0; length < whole.length; length++)
      assertEquals(
        codeOf(() => decodeMeta(whole.slice(0, length))),
        "CORRUPT",
      );
  });
});
