/**
 * Replies in the making: what was put in comes out, in order and in whatever pieces; what could not be committed is
 * replaced, and nothing else is. Covers lib/protocol/buffer_pool.ts, whose buffers they are made of.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { BufferPool, POOLED_BYTES } from "../../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../../lib/protocol/reply_segment.ts";

/** What a sink hears that takes everything. */
function drained(segment: ReplySegment): string {
  let text = "";
  const sink = {
    write: (bytes: Uint8Array): boolean => {
      text += latin1(bytes);
      return true;
    },
  };
  assert(segment.drainTo(sink));
  return text;
}

const step = fc.oneof(
  fc.record({ how: fc.constantFrom("put", "stable", "text"), length: fc.constantFrom(0, 1, 48, 49, 1000, 8191, 8192, 20000) }),
  fc.record({ how: fc.constant("number"), length: fc.oneof(fc.nat(), fc.constantFrom(9, 10, 0xffffffff, 0x100000000)) }),
);

describe("a segment", () => {
  it("gives what was put into it, however", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const segment = new ReplySegment(new BufferPool());
        let expected = "";
        for (const [number, { how, length }] of steps.entries()) {
          const text = how === "number" ? String(length) : String.fromCharCode(97 + number).repeat(length);
          const bytes = fromLatin1(`<${text}>`);
          if (how === "put") segment.put(bytes, 1, 1 + length);
          else if (how === "stable") segment.putStable(bytes, 1, 1 + length);
          else if (how === "text") segment.putText(text);
          else segment.putNumber(length);
          expected += text;
        }
        assertEquals(segment.size, expected.length);
        assert(drained(segment) === expected);
        assertEquals(segment.size, 0);
      }),
    );
  });

  it("writes numbers of 64 bits", () => {
    const segment = new ReplySegment(new BufferPool());
    for (const value of [0, 9, 10, 4294967295, 4294967296, 18446744073709551615n]) segment.putNumber(value);
    segment.putByte(0x21);
    assertEquals(drained(segment), "09104294967295429496729618446744073709551615!");
  });

  it("waits where the sink says so, and goes on from there", () => {
    const segment = new ReplySegment(new BufferPool());
    segment.putText("one");
    segment.putStable(fromLatin1("two"), 0, 3);
    segment.putText("three");
    const heard: string[] = [];
    const sink = {
      write: (bytes: Uint8Array): boolean => {
        heard.push(latin1(bytes));
        return false;
      },
    };
    for (const rest of [8, 5, 0]) {
      assertEquals(segment.drainTo(sink), false);
      assertEquals(segment.size, rest);
    }
    assertEquals(segment.drainTo(sink), true);
    assertEquals(heard, ["one", "two", "three"]);
  });

  it("replaces the replies to writes that failed, and no others", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ fails: fc.boolean(), silent: fc.boolean() }), { maxLength: 10 }), (replies) => {
        const segment = new ReplySegment(new BufferPool());
        let expected = "";
        for (const [number, { fails, silent }] of replies.entries()) {
          const start = segment.length;
          const said = silent ? "" : `reply ${number};`;
          segment.putText(said);
          // A silent reply with a way to fail answers the failure.
          if (fails) segment.markUncommitted(start, silent && number % 2 === 0 ? -1 : 0, number);
          const speaks = !silent || number % 2 === 1;
          expected += fails ? (speaks ? `failed ${number};` : "") : said;
        }
        assertEquals(
          segment.hasUncommitted,
          replies.some(({ fails }) => fails),
        );
        assertEquals(
          segment.requestCommit(),
          replies.some(({ fails }) => fails),
        );
        segment.failUncommitted((_how, tag) => fromLatin1(`failed ${tag};`));
        assertEquals(segment.hasUncommitted, false);
        assertEquals(drained(segment), expected);
      }),
    );
  });

  it("settles with each commit the replies that this one covers, and no others", () => {
    const write = fc.record({ length: fc.constantFrom(0, 1, 50, 600), commits: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 8 }),
        fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
        (writes, faults) => {
          const segment = new ReplySegment(new BufferPool());
          let expected = "";
          let commits = 0;
          for (const [number, { length, commits: isRequested }] of writes.entries()) {
            const start = segment.length;
            const said = `${number}${"x".repeat(length)};`;
            segment.putText(said);
            segment.markUncommitted(start, -1, number);
            segment.putText("seen;");
            expected += faults[commits] ? `failed ${number};seen;` : `${said}seen;`;
            if (isRequested && segment.requestCommit()) commits++;
          }
          if (segment.requestCommit()) commits++;
          assert(!segment.requestCommit());
          for (let commit = 0; commit < commits; commit++) {
            assert(segment.hasUncommitted);
            if (faults[commit]) segment.failUncommitted((_how, tag) => fromLatin1(`failed ${tag};`));
            else segment.committed();
          }
          assert(!segment.hasUncommitted);
          assertEquals(drained(segment), expected);
        },
      ),
    );
  });

  it("keeps what is committed, and copies what would be stable while a reply may have to be replaced", () => {
    const segment = new ReplySegment(new BufferPool());
    segment.putText("STORED ");
    segment.markUncommitted(0);
    const value = fromLatin1("value");
    segment.putStable(value, 0, value.length);
    value.fill(0x2a);
    segment.requestCommit();
    segment.committed();
    segment.failUncommitted(() => fromLatin1("never"));
    assertEquals(drained(segment), "STORED value");
  });

  it("is empty after a reset, and its buffer is for others", () => {
    const pool = new BufferPool();
    const segment = new ReplySegment(pool);
    segment.closed = false;
    segment.putText("abc");
    segment.putStable(fromLatin1("def"), 0, 3);
    segment.putText("ghi");
    segment.markUncommitted(0);
    const { bytes } = segment;
    segment.reset();
    assertEquals([segment.size, segment.closed, segment.hasUncommitted], [0, true, false]);
    assertEquals(drained(segment), "");
    assert(pool.takeSmall() === bytes);
  });
});

describe("a segment after another", () => {
  const segmentWith = (text: string, pool = new BufferPool()): ReplySegment => {
    const segment = new ReplySegment(pool);
    segment.closed = false;
    segment.putText(text);
    segment.closed = true;
    return segment;
  };

  it("is absorbed, so that both leave with one write", () => {
    const pool = new BufferPool();
    const first = segmentWith("abc", pool);
    const second = segmentWith("d".repeat(600), pool);
    assert(first.absorb(second));
    assertEquals([drained(first), second.size], [`abc${"d".repeat(600)}`, 0]);
  });

  it("stays where it is if it is large or not complete, has parts of its own or awaits a commit", () => {
    const first = segmentWith("abc");
    assert(!first.absorb(segmentWith("d".repeat(POOLED_BYTES))));
    const stable = segmentWith("d");
    stable.putStable(fromLatin1("def"), 0, 3);
    const uncommitted = segmentWith("d");
    uncommitted.markUncommitted(0);
    const open = segmentWith("f");
    open.closed = false;
    assert(!first.absorb(open));
    for (const other of [stable, uncommitted]) {
      assert(!first.absorb(other));
      assert(!other.absorb(segmentWith("e")));
    }
    assertEquals([drained(first), drained(stable)], ["abc", "ddef"]);
  });

  it("has a small buffer while it waits for little, and grows out of it", () => {
    const pool = new BufferPool();
    const segment = new ReplySegment(pool);
    segment.closed = false;
    segment.putText("a".repeat(512));
    assertEquals(segment.bytes.length, 512);
    segment.putText("b".repeat(512));
    assertEquals(segment.bytes.length, POOLED_BYTES);
    segment.putText("c".repeat(POOLED_BYTES));
    assertEquals(drained(segment), `${"a".repeat(512)}${"b".repeat(512)}${"c".repeat(POOLED_BYTES)}`);
  });
});

describe("a buffer pool", () => {
  it("gives back what it was given, and keeps neither more than it should nor what has grown", () => {
    const pool = new BufferPool();
    const buffers = Array.from({ length: 300 }, () => pool.take());
    for (const buffer of buffers) pool.give(buffer);
    pool.give(new Uint8Array(POOLED_BYTES * 2));
    const again = Array.from({ length: 300 }, () => pool.take());
    assertEquals(again.filter((buffer) => buffers.includes(buffer)).length, 256);
    assertEquals(new Set(again).size, 300);
    assert(again.every(({ length }) => length === POOLED_BYTES));
  });

  it("has small ones, too", () => {
    const pool = new BufferPool();
    const small = Array.from({ length: 39 * 128 }, () => pool.takeSmall());
    for (const [i, buffer] of small.entries()) buffer[0] = i % 251;
    assert(small.every((buffer, i) => buffer[0] === i % 251));
    for (const buffer of small) pool.give(buffer);
    const again = new Set(Array.from({ length: 39 * 128 }, () => pool.takeSmall()));
    assertEquals(small.filter((buffer) => again.has(buffer)).length, 4096);
    assert(pool.take().length === POOLED_BYTES);
  });
});
