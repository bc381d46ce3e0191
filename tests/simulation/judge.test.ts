/**
 * What the judge says of histories of one key: right ones, and each kind of violation.
 *
 * Covers lib/testing/history.ts, lib/testing/item_model.ts and lib/testing/judge.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ClientOperation, History } from "../../lib/testing/history.ts";
import type { ItemCommand } from "../../lib/testing/item_model.ts";
import { FindingKind, judge, judgeKey } from "../../lib/testing/judge.ts";
import type { ClientAnswer } from "../../lib/testing/sim_client.ts";

const KEY = "k";
const text = (value: string) => ({ flags: 0, expire: 0, value });

/** What a client asks for, and what it is answered: a line, a found item (`gets` with its version), or an error. */
type Asked = readonly [command: ItemCommand, answer: string | readonly [value: string, version?: number]];

const set = (value: string, answer = "STORED"): Asked => [{ name: "set", ...text(value) }, answer];
const add = (value: string, answer = "STORED"): Asked => [{ name: "add", ...text(value) }, answer];
const replace = (value: string, answer = "STORED"): Asked => [{ name: "replace", ...text(value) }, answer];
const append = (value: string, answer = "STORED"): Asked => [{ name: "append", ...text(value) }, answer];
const prepend = (value: string, answer = "STORED"): Asked => [{ name: "prepend", ...text(value) }, answer];
const cas = (value: string, version: number, answer = "STORED"): Asked => [
  { name: "cas", version: String(version), ...text(value) },
  answer,
];
const incr = (delta: number, answer: string): Asked => [{ name: "incr", delta }, answer];
const decr = (delta: number, answer: string): Asked => [{ name: "decr", delta }, answer];
const remove = (answer = "DELETED"): Asked => [{ name: "delete" }, answer];
const touch = (answer = "TOUCHED"): Asked => [{ name: "touch", expire: 0 }, answer];
const get = (value?: string): Asked => [{ name: "get" }, value === undefined ? "END" : [value]];
const gets = (value: string, version: number): Asked => [{ name: "gets" }, [value, version]];
const DOUBT = "SERVER_ERROR in doubt";
const NON_NUMERIC = "CLIENT_ERROR cannot increment or decrement non-numeric value";

/** One after the other, a millisecond each. */
function oneByOne(asked: readonly Asked[], final = 0): ClientOperation[] {
  return asked.map(([command, answer], i) => {
    const operation = new ClientOperation({
      client: "c1",
      node: "node1:1",
      key: KEY,
      command,
      callUs: i * 1000,
      final: i >= asked.length - final,
    });
    operation.end(answerOf(command, answer), i * 1000 + 900);
    return operation;
  });
}

function answerOf({ name }: ItemCommand, answer: Asked[1]): ClientAnswer {
  if (typeof answer !== "string") {
    const [value, version] = answer;
    return {
      kind: "items",
      items: [{ key: KEY, flags: 0, value, version: version === undefined ? undefined : String(version) }],
    };
  }
  if (name.startsWith("get") && answer === "END") return { kind: "items", items: [] };
  return answer.includes("ERROR") ? { kind: "error", error: answer, unsent: false } : { kind: "line", line: answer };
}

function kindOf(operations: readonly ClientOperation[]): FindingKind | "undecided" | undefined {
  const finding = judgeKey(KEY, operations);
  return typeof finding === "object" ? finding.kind : finding;
}

describe("judge", () => {
  const right: readonly (readonly [name: string, asked: readonly Asked[]])[] = [
    ["a missing item", [get(), remove("NOT_FOUND"), touch("NOT_FOUND"), incr(1, "NOT_FOUND"), cas("a", 1, "NOT_FOUND")]],
    [
      "conditions of a missing item",
      [replace("a", "NOT_STORED"), append("a", "NOT_STORED"), prepend("a", "NOT_STORED"), get()],
    ],
    ["conditions of an item", [add("a"), add("b", "NOT_STORED"), replace("c"), get("c"), gets("c", 2)]],
    ["words", [set("b"), append("c"), prepend("a"), gets("abc", 3)]],
    [
      "numbers",
      [set("9"), incr(2, "11"), decr(1, "10"), decr(50, "0"), gets("0", 4), set("x"), incr(1, NON_NUMERIC), gets("x", 5)],
    ],
    ["versions", [set("a"), cas("b", 1), cas("c", 1, "EXISTS"), gets("b", 2), touch(), gets("b", 2)]],
    ["a version that goes on after a deletion", [set("a"), set("b"), remove(), get(), add("c"), gets("c", 3)]],
    ["writes in doubt that happened or did not", [set("a"), set("b", DOUBT), append("c", DOUBT), gets("ac", 2)]],
    ["a read without an answer", [set("a"), [{ name: "get" }, DOUBT], get("a")]],
  ];
  for (const [name, asked] of right) it(`accepts: ${name}`, () => assertEquals(kindOf(oneByOne(asked)), undefined));

  const wrong: readonly (readonly [name: string, kind: FindingKind, asked: readonly Asked[], final?: number])[] = [
    ["a read of the value before", FindingKind.staleRead, [set("a"), set("b"), get("a"), get("b")], 1],
    ["a miss", FindingKind.staleRead, [set("a"), get(), get("a")], 1],
    ["a value in doubt that is shown and gone", FindingKind.earlyRead, [set("a"), set("b", DOUBT), get("b"), get("a")], 1],
    ["a version in the past", FindingKind.staleRead, [set("a"), touch(), set("b"), gets("b", 1), gets("b", 2)], 1],
    ["an acknowledged write that is not there", FindingKind.lostWrite, [set("a"), set("b"), get("a")], 1],
    ["an acknowledged deletion that is not there", FindingKind.lostWrite, [set("a"), remove(), get("a")], 1],
    ["an item that is not there for add", FindingKind.lostWrite, [set("a"), add("b"), gets("b", 1)]],
    ["a word that is missing", FindingKind.lostWrite, [set("a"), append("b"), append("c"), get("ac")], 1],
    ["a number that grew twice", FindingKind.appliedTwice, [set("10"), incr(1, "11"), get("12")], 1],
    ["a number that grew twice and says so", FindingKind.appliedTwice, [set("10"), incr(1, "12"), get("12")], 1],
    ["a word that is there twice", FindingKind.wrongValue, [set("a"), append("b"), get("abb")], 1],
    ["a value that nobody wrote", FindingKind.wrongValue, [set("aaaa"), get("aa")]],
    ["a version that starts over", FindingKind.forgottenDeletion, [set("a"), set("b"), remove(), set("c"), gets("c", 1)]],
    [
      "a refusal that does not know the item",
      FindingKind.staleRead,
      [set("a"), remove("NOT_FOUND"), touch("NOT_FOUND"), get("a")],
      1,
    ],
    ["a double increment and a lost write", FindingKind.notLinearizable, [set("10"), incr(1, "11"), set("20"), get("12")], 1],
  ];
  for (const [name, kind, asked, final] of wrong) {
    it(`finds ${kind}: ${name}`, () => assertEquals(kindOf(oneByOne(asked, final)), kind));
  }

  it("explains what it found", () => {
    const finding = judgeKey(KEY, oneByOne([set("a"), set("b", DOUBT), set("c"), get("a"), get("c")], 1));
    assert(typeof finding === "object");
    assertEquals(finding.explanation.split("\n"), [
      '"k": 2 of 4 answered operations have a right order, which ends',
      "  0.000–0.900 ms c1 at node1:1: set k 0 0 1 a → STORED",
      "  2.000–2.900 ms c1 at node1:1: set k 0 0 1 c → STORED",
      'and leaves flags 0 "c" (version 2); none of these can come next:',
      '  3.000–3.900 ms c1 at node1:1: get k → flags 0 "a" (expected flags 0 "c")',
      "at any time after their calls, or never, there may have been:",
      "  1.000–1.900 ms c1 at node1:1: set k 0 0 1 b → no answer (SERVER_ERROR in doubt)",
    ]);
  });

  it("counts what it saw", () => {
    const history = new History();
    for (const operation of oneByOne([set("a"), set("b", DOUBT), [{ name: "get" }, DOUBT], get("c")])) history.add(operation);
    const { findings, ...counts } = judge(history);
    assertEquals(counts, { operations: 4, unknown: 2, keys: 1, undecided: 0 });
    assertEquals(findings.length, 1);
    assertMatch(findings[0]?.explanation ?? "", /^"k": 1 of 2 answered operations/);
  });
});
