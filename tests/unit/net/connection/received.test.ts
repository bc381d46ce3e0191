/** What a connection has received and not answered: what is held, what is skipped, what memory it takes, since when. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Received } from "../../../../lib/net/connection/received.ts";

function textOf({ bytes }: Received): string {
  return latin1(bytes, 0, bytes.length);
}

describe("what was received", () => {
  it("is held in its order until it is consumed, whatever its pieces", () => {
    const step = fc.oneof(fc.string({ unit: "grapheme-ascii", maxLength: 3000 }), fc.nat(4000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const memory = { usedBytes: 0, bytesMax: 1 << 20 };
        const received = new Received(memory);
        let expected = "";
        for (const one of steps) {
          if (typeof one === "string") {
            const from = one.length % 3 < one.length ? one.length % 3 : 0;
            assert(received.hold(fromLatin1(one), from, 1));
            expected += one.slice(from);
          } else {
            const count = Math.min(one, expected.length);
            if (count > 0) received.consume(count, 1);
            expected = expected.slice(count);
          }
          assertEquals(textOf(received), expected);
          assertEquals([received.length, received.isEmpty], [expected.length, expected === ""]);
          assert(memory.usedBytes >= expected.length, "more is held than is counted");
        }
        received.release();
        assertEquals([memory.usedBytes, received.isEmpty], [0, true]);
      }),
    );
  });

  it("takes memory for the bytes that came, not for those announced, and never more than announced", () => {
    const memory = { usedBytes: 0, bytesMax: 1 << 30 };
    const received = new Received(memory);
    received.expect(1 << 20, 0);
    received.hold(new Uint8Array(100), 0, 1);
    assertEquals(memory.usedBytes, 1024);
    while (received.length < 1 << 20) {
      received.hold(new Uint8Array(Math.min(60000, (1 << 20) - received.length)), 0, 1);
      assert(memory.usedBytes <= Math.min(2 * received.length + 1024, 1 << 20), `${memory.usedBytes} bytes are held`);
    }
    assertEquals(memory.usedBytes, 1 << 20);
  });

  it("is refused when the memory of all is used up, and what was held stays", () => {
    const memory = { usedBytes: 0, bytesMax: 5000 };
    const [received, other] = [new Received(memory), new Received(memory)];
    assert(other.hold(new Uint8Array(3000), 0, 1));
    assert(received.hold(fromLatin1("abc"), 0, 1));
    assert(!received.hold(new Uint8Array(2000), 0, 1));
    assertEquals(textOf(received), "abc");
    other.release();
    assert(received.hold(new Uint8Array(2000), 0, 1));
    assertEquals(received.length, 2003);
  });

  it("is skipped up to the end of a refused request and no further", () => {
    const received = new Received({ usedBytes: 0, bytesMax: 0 });
    assertEquals(received.skip(10, 4, 1), 4);
    assertEquals([received.skipping, received.isEmpty], [6, false]);
    assertEquals(received.skip(received.skipping, 5, 2), 5);
    assertEquals(received.skip(received.skipping, 5, 3), 1);
    assertEquals([received.skipping, received.isEmpty], [0, true]);
  });

  it("tells since when the request that is incomplete has been coming", () => {
    const received = new Received({ usedBytes: 0, bytesMax: 1 << 20 });
    assertEquals(received.sinceMs, 0);
    received.hold(fromLatin1("ab"), 0, 5);
    received.hold(fromLatin1("cd"), 0, 6);
    assertEquals(received.sinceMs, 5);
    received.consume(3, 7);
    assertEquals(received.sinceMs, 7);
    received.skip(10, 2, 8);
    received.release();
    assertEquals(received.sinceMs, 7);
    received.skip(received.skipping, 8, 9);
    assertEquals(received.sinceMs, 0);
    received.skip(3, 1, 10);
    assertEquals(received.sinceMs, 10);
  });
});
