/**
 * The checker of linearizability: textbook histories of a register, and small random ones against a brute force.
 *
 * Covers lib/testing/linearizability.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { checkLinearizability, type SequentialModel, type TimedOperation } from "../../lib/testing/linearizability.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";

/** An operation on a register that also counts; `answer` undefined: there was none. */
interface RegisterOperation extends TimedOperation {
  readonly name: "read" | "write" | "increment";
  readonly value: number;
  readonly answer: number | undefined;
}

const register: SequentialModel<number, RegisterOperation> = {
  initial: 0,
  step(state, { name, value, answer }) {
    if (name === "read") return answer === state ? [state] : [];
    const next = name === "write" ? value : state + 1;
    return answer === undefined || answer === next ? [next] : [];
  },
  keyOf: String,
};

function write(value: number, callUs: number, returnUs?: number): RegisterOperation {
  const answer = returnUs === undefined ? undefined : value;
  return { name: "write", value, answer, callUs, returnUs, after: undefined };
}

function read(answer: number, callUs: number, returnUs: number, after?: RegisterOperation): RegisterOperation {
  return { name: "read", value: 0, answer, callUs, returnUs, after };
}

function increment(answer: number | undefined, callUs: number, returnUs?: number): RegisterOperation {
  return { name: "increment", value: 0, answer, callUs, returnUs, after: undefined };
}

const late = write(1, 0, 100);
const histories: readonly (readonly [name: string, isRight: boolean, operations: readonly RegisterOperation[]])[] = [
  ["no operation", true, []],
  ["one after the other", true, [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)]],
  ["a read that overlaps a write shows the value before", true, [write(1, 0, 10), read(0, 2, 4)]],
  ["a read that overlaps a write shows the value after", true, [write(1, 0, 10), read(1, 2, 4)]],
  ["two reads that overlap a write go back", false, [write(1, 0, 10), read(1, 2, 4), read(0, 5, 6)]],
  ["overlapping reads in either order", true, [write(1, 0, 10), read(1, 2, 6), read(0, 5, 7)]],
  ["a stale read", false, [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)]],
  ["a lost write", false, [write(1, 0, 1), read(0, 2, 3), read(0, 4, 5)]],
  ["a write that comes later than it was answered", false, [write(1, 0, 1), read(0, 2, 3), read(1, 4, 5)]],
  [
    "three writes at once, seen by two readers in one order",
    true,
    [write(1, 0, 9), write(2, 0, 9), read(2, 2, 3), read(1, 4, 5)],
  ],
  ["a value that comes back", false, [write(1, 0, 9), write(2, 0, 9), read(2, 2, 3), read(1, 4, 5), read(2, 6, 7)]],
  ["an increment that was applied twice", false, [increment(1, 0, 1), read(2, 2, 3)]],
  ["two increments at once", true, [increment(2, 0, 5), increment(1, 1, 4)]],
  ["the same answer to two increments", false, [increment(1, 0, 5), increment(1, 1, 4)]],
  ["a write in doubt that happened", true, [write(1, 0), read(1, 2, 3)]],
  ["a write in doubt that never happened", true, [write(1, 0), read(0, 2, 3), read(0, 4, 5)]],
  ["a write in doubt that happened much later", true, [write(1, 0), read(0, 2, 3), write(2, 4, 5), read(1, 6, 7)]],
  ["a write in doubt before its call", false, [read(1, 0, 1), write(1, 2)]],
  ["a write in doubt that happened twice", false, [write(1, 0), read(1, 2, 3), write(2, 4, 5), read(1, 6, 7)]],
  ["a value in doubt that is shown and gone", false, [write(1, 0), read(1, 2, 3), read(0, 4, 5)]],
  [
    "an increment in doubt that happened between two others",
    true,
    [increment(1, 0, 1), increment(undefined, 2), increment(3, 4, 5)],
  ],
  ["a read behind a write of its connection shows it", true, [late, read(1, 5, 90, late)]],
  ["a read behind a write of its connection does not show it", false, [late, read(0, 5, 90, late)]],
  ["the end of one operation is the beginning of the next", true, [write(1, 0, 5), read(0, 5, 6)]],
];

describe("checkLinearizability", () => {
  for (const [name, isRight, operations] of histories) {
    it(`${isRight ? "accepts" : "rejects"}: ${name}`, () => {
      assertEquals(checkLinearizability(register, operations).verdict, isRight ? "linearizable" : "violated");
      assertEquals(isLinearizable(operations), isRight, "the brute force");
    });
  }

  it("says how far it got, and what does not fit", () => {
    const [first, second, stale, next] = [write(1, 0, 1), write(2, 2, 3), read(1, 4, 6), read(2, 5, 7)];
    const judgment = checkLinearizability(register, [first, second, stale, next]);
    assert(judgment.verdict === "violated");
    assertEquals(judgment.violation, { order: [first, second, next], state: 2, stuck: [stale] });
  });

  it("says that it does not know when the search takes too long", () => {
    const operations = Array.from({ length: 12 }, (_, i) => write(i + 1, i));
    const impossible = [...operations, read(100, 50, 51)];
    assertEquals(checkLinearizability(register, impossible, 10), { verdict: "undecided", explored: 11 });
    assertEquals(checkLinearizability(register, impossible).verdict, "violated");
  });

  it("agrees with a brute force on small random histories", () => {
    const random = new SimRandom("histories");
    const verdicts = { linearizable: 0, violated: 0, undecided: 0 };
    for (let run = 0; run < 3000; run++) {
      const operations = randomHistory(random);
      const { verdict } = checkLinearizability(register, operations);
      assertEquals(verdict === "linearizable", isLinearizable(operations), JSON.stringify(operations));
      verdicts[verdict]++;
    }
    assertGreater(verdicts.linearizable, 500);
    assertGreater(verdicts.violated, 400);
    assertEquals(verdicts.undecided, 0);
  });

  it("finishes long histories of many clients, with operations in doubt", () => {
    const random = new SimRandom("long");
    const operations: RegisterOperation[] = [];
    let [value, lastReturn] = [0, 0];
    for (let i = 0; i < 200; i++) {
      const atUs = i * 10;
      const [callUs, returnUs] = [Math.max(0, atUs - random.between(0, 40)), atUs + random.between(1, 40)];
      if (random.chance(0.5)) operations.push(read(value, callUs, returnUs));
      else operations.push(write(++value, callUs, i % 10 === 0 ? undefined : returnUs));
      lastReturn = Math.max(lastReturn, returnUs);
    }
    assertEquals(checkLinearizability(register, operations).verdict, "linearizable");
    const gone = [...operations, read(-1, lastReturn + 1, lastReturn + 2)];
    assertEquals(checkLinearizability(register, gone).verdict, "violated");
  });
});

/** Operations that happened in an order of their own, some of whose answers were then changed. */
function randomHistory(random: SimRandom): RegisterOperation[] {
  const operations: RegisterOperation[] = [];
  let state = 0;
  const count = random.between(1, 6);
  for (let i = 0; i < count; i++) {
    const [callUs, returnUs] = [10 * i - random.between(0, 25), 10 * i + random.between(0, 25)];
    const name = random.pick(["read", "read", "write", "increment"] as const);
    const value = random.between(1, 3);
    const happened = random.chance(0.8);
    const before = state;
    if (name === "write" && happened) state = value;
    if (name === "increment" && happened) state++;
    const wrong = random.chance(0.1) ? random.between(-1, 1) : 0;
    const after = i > 0 && random.chance(0.2) ? operations[i - 1] : undefined;
    if (name === "read") operations.push({ name, value, answer: before + wrong, callUs, returnUs, after });
    else if (!happened || random.chance(0.2))
      operations.push({ name, value, answer: undefined, callUs, returnUs: undefined, after });
    else operations.push({ name, value, answer: state + wrong, callUs, returnUs, after });
  }
  return random.shuffle(operations);
}

/** Tries every order of every choice of the operations in doubt. */
function isLinearizable(operations: readonly RegisterOperation[], state = register.initial): boolean {
  if (operations.every(({ returnUs }) => returnUs === undefined)) return true;
  return operations.some((operation) => {
    const others = operations.filter((each) => each !== operation);
    const isFirst = others.every(({ returnUs }) => returnUs === undefined || returnUs >= operation.callUs);
    const { after } = operation;
    if (!isFirst || (after?.returnUs !== undefined && others.includes(after as RegisterOperation))) return false;
    return register.step(state, operation).some((next) => isLinearizable(others, next));
  });
}
