/** Operations that wait, per key in the order they came, with bytes of their own, and how many may. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import {
  copyMutation,
  type WaitingKey,
  WaitingKeys,
  type WaitingOperation,
} from "../../../../lib/storage/path/waiting_keys.ts";
import { keyOf, set } from "../../../support/storage_world.ts";

function get(nowSeconds: number): WaitingOperation {
  return { kind: "get", nowSeconds, peek: false, resolve: () => undefined, reject: () => undefined };
}

function write(value: string): WaitingOperation {
  const mutation = copyMutation(set("any", value));
  return { kind: "apply", mutation, nowSeconds: 0, deadlineMs: 0, resolve: () => undefined };
}

describe("keys that wait", () => {
  it("are started once, and their operations run in order", () => {
    const waiting = new WaitingKeys(100, 100);
    const a = waiting.add(keyOf("a"), get(1)) as WaitingKey;
    assertEquals(waiting.add(keyOf("a"), get(2)), undefined);
    const b = waiting.add(keyOf("b"), get(3)) as WaitingKey;
    assertEquals(waiting.add(keyOf("a"), get(4)), undefined);
    assertEquals([waiting.has(keyOf("a")), waiting.has(keyOf("c"))], [true, false]);
    assertEquals(waiting.keys(), [a, b]);
    const order: number[] = [];
    while (a.operations.length > 0) {
      order.push(a.operations[0]?.nowSeconds ?? 0);
      waiting.shift(a);
    }
    assertEquals(order, [1, 2, 4]);
    assertEquals([waiting.has(keyOf("a")), waiting.isEmpty], [false, false]);
    waiting.shift(b);
    waiting.shift(b);
    assertEquals(waiting.isEmpty, true);
    // The next one sets its key going again.
    assert(waiting.add(keyOf("a"), get(5)) !== undefined);
  });

  it("are full by their number or by the bytes of their values, until some have gone", () => {
    const byNumber = new WaitingKeys(2, 1000);
    const queue = byNumber.add(keyOf("a"), get(1)) as WaitingKey;
    assertEquals(byNumber.isFull, false);
    byNumber.add(keyOf("a"), get(2));
    assertEquals(byNumber.isFull, true);
    byNumber.shift(queue);
    assertEquals(byNumber.isFull, false);

    const byBytes = new WaitingKeys(1000, 10);
    const written = byBytes.add(keyOf("a"), write("x".repeat(9))) as WaitingKey;
    byBytes.add(keyOf("b"), get(1));
    assertEquals(byBytes.isFull, false);
    byBytes.add(keyOf("a"), write("x"));
    assertEquals(byBytes.isFull, true);
    byBytes.bytesMax = 11;
    assertEquals(byBytes.isFull, false);
    byBytes.bytesMax = 1;
    byBytes.shift(written);
    assertEquals(byBytes.isFull, true);
    byBytes.shift(written);
    assertEquals(byBytes.isFull, false);
  });

  it("keep their bytes when those they came with are used again", () => {
    const waiting = new WaitingKeys(10, 1000);
    const bytes = fromLatin1("xxkeyxx");
    const queue = waiting.add({ bytes, start: 2, end: 5 }, get(1)) as WaitingKey;
    const mutation = set("key", "value", { flags: 9, delta: 3 });
    const copy = copyMutation(mutation);
    bytes.fill(0);
    mutation.value.fill(0);
    mutation.key.bytes.fill(0);
    assertEquals([queue.text, latin1(queue.key.bytes, queue.key.start, queue.key.end)], ["key", "key"]);
    assertEquals(latin1(copy.key.bytes, copy.key.start, copy.key.end), "key");
    assertEquals([latin1(copy.value, copy.valueStart, copy.valueEnd), copy.flags, copy.delta], ["value", 9, 3]);
  });
});
