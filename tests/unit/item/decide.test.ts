/**
 * Every row of the rules for writes: by liveness, by version, by value.
 *
 * Covers lib/item/counter_value.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import type { Uint64 } from "../../../lib/base/uint64.ts";
import { Change, Content, type Current, CurrentKind, type Decision, decide, emptyDecision } from "../../../lib/item/decide.ts";
import { EXPIRE_PAST } from "../../../lib/item/entry.ts";
import { type Mutation, MutationKind, MutationResult } from "../../../lib/item/mutation.ts";
import { mutation } from "../../support/storage_world.ts";

const NOW = 1_700_000_000;

function item(value: string, version: Uint64, expire = 0): Current {
  const bytes = fromLatin1(value);
  return { kind: CurrentKind.value, flags: 9, expire, version, marks: 0, bytes, valueStart: 0, valueEnd: bytes.length };
}

function tombstone(version: Uint64, blockedUntil = 0): Current {
  return { ...item("", version, blockedUntil), kind: CurrentKind.tombstone, flags: NOW - 5 };
}

const ABSENT: Current = { ...item("", 0), kind: CurrentKind.absent };
const ALIVE = item("old", 7);
const EXPIRED = item("old", 7, NOW);
const GONE = tombstone(7);
const BLOCKED = tombstone(7, NOW + 1);
const UNBLOCKED = tombstone(7, NOW);

function decided(
  current: Current,
  kind: MutationKind,
  more: Partial<Mutation> = {},
  value = "new",
  valueBytesMax = 1000,
): Decision {
  const decision = emptyDecision();
  decide(current, mutation(kind, "k", value, { flags: 3, expire: 77, ...more }), NOW, valueBytesMax, decision);
  return decision;
}

/** Result and, if something changes, the version it leaves. */
function outcome(current: Current, kind: MutationKind, more: Partial<Mutation> = {}): string {
  const decision = decided(current, kind, more);
  const result = Object.entries(MutationResult).find(([, code]) => code === decision.result)?.[0];
  if (decision.change === Change.none) return `${result}`;
  return `${result} ${decision.change === Change.put ? "item" : "tombstone"} ${decision.version}`;
}

const { set, add, replace, append, prepend, cas, incr, decr, delete: remove, touch, restore, rewrite } = MutationKind;

describe("decide by liveness, without a version", () => {
  const rows: [
    name: string,
    kind: MutationKind,
    alive: string,
    blocked: string,
    gone: string,
    expired: string,
    absent: string,
  ][] = [
    ["set", set, "stored item 8", "stored item 8", "stored item 8", "stored item 8", "stored item 1"],
    ["add", add, "notStored", "notStored", "stored item 8", "stored item 8", "stored item 1"],
    ["replace", replace, "stored item 8", "notStored", "notStored", "notStored", "notStored"],
    ["append", append, "stored item 8", "notStored", "notStored", "notStored", "notStored"],
    ["prepend", prepend, "stored item 8", "notStored", "notStored", "notStored", "notStored"],
    ["touch", touch, "touched item 7", "notFound", "notFound", "notFound", "notFound"],
    ["delete", remove, "deleted tombstone 7", "notFound", "notFound", "notFound", "notFound"],
    ["incr", incr, "nonNumeric", "notFound", "notFound", "notFound", "notFound"],
    ["decr", decr, "nonNumeric", "notFound", "notFound", "notFound", "notFound"],
    ["restore", restore, "notStored", "notStored", "notStored", "notStored", "notStored"],
    [
      "rewrite",
      rewrite,
      "stored item 7",
      ...(Array(3).fill("deleted tombstone 7") as [string, string, string]),
      "deleted tombstone 0",
    ],
  ];
  for (const [name, kind, alive, blocked, gone, expired, absent] of rows) {
    it(name, () => {
      assertEquals(outcome(ALIVE, kind), alive);
      assertEquals(outcome(BLOCKED, kind), blocked);
      assertEquals(outcome(GONE, kind), gone);
      assertEquals(outcome(UNBLOCKED, kind), gone);
      assertEquals(outcome(EXPIRED, kind), expired);
      assertEquals(outcome(ABSENT, kind), absent);
    });
  }
});

describe("decide with a version", () => {
  const cases: [Current, MutationKind, Uint64, string][] = [
    [ALIVE, set, 6, "notStored"],
    [ALIVE, set, 7, "notStored"],
    [ALIVE, set, 8, "stored item 8"],
    [ALIVE, replace, 7, "notStored"],
    [ALIVE, replace, 100, "stored item 100"],
    [ALIVE, append, 7, "notStored"],
    [ALIVE, append, 9, "stored item 9"],
    [ALIVE, prepend, 7, "notStored"],
    [ALIVE, add, 9, "notStored"],
    // What is not alive does not defend its version against a plain write …
    [GONE, set, 3, "stored item 3"],
    [BLOCKED, set, 3, "stored item 3"],
    [EXPIRED, set, 3, "stored item 3"],
    [ABSENT, set, 3, "stored item 3"],
    [GONE, add, 3, "stored item 3"],
    // … only against a dumped item.
    [ALIVE, restore, 7, "notStored"],
    [ALIVE, restore, 8, "stored item 8"],
    [EXPIRED, restore, 7, "notStored"],
    [GONE, restore, 7, "notStored"],
    [GONE, restore, 8, "stored item 8"],
    [ABSENT, restore, 1, "stored item 1"],
    [ALIVE, rewrite, 6, "stored item 7"],
    [ALIVE, rewrite, 9, "stored item 9"],
    [GONE, rewrite, 6, "deleted tombstone 7"],
    [GONE, rewrite, 9, "deleted tombstone 9"],
    [EXPIRED, rewrite, 9, "deleted tombstone 9"],
    [ABSENT, rewrite, 9, "deleted tombstone 9"],
    [ALIVE, cas, 7, "stored item 8"],
    [ALIVE, cas, 6, "exists"],
    [ALIVE, cas, 8, "exists"],
    [ALIVE, cas, 0, "exists"],
    [BLOCKED, cas, 7, "stored item 8"],
    [BLOCKED, cas, 99, "exists"],
    [GONE, cas, 7, "notFound"],
    [EXPIRED, cas, 7, "notFound"],
    [ABSENT, cas, 7, "notFound"],
    [ALIVE, remove, 6, "notFound"],
    [ALIVE, remove, 7, "deleted tombstone 7"],
    [ALIVE, remove, 9, "deleted tombstone 9"],
    [ABSENT, remove, 50, "notFound tombstone 50"],
    [GONE, remove, 9, "notFound tombstone 9"],
    [GONE, remove, 6, "notFound"],
    [EXPIRED, remove, 7, "notFound tombstone 7"],
    [ALIVE, set, 18446744073709551615n, "stored item 18446744073709551615"],
    [item("old", 18446744073709551614n), set, 0, "stored item 18446744073709551615"],
    [item("old", 9007199254740991), set, 0, "stored item 9007199254740992"],
  ];
  for (const [current, kind, version, expected] of cases) {
    const state =
      Object.entries({ ALIVE, EXPIRED, GONE, BLOCKED, ABSENT }).find(([, known]) => known === current)?.[0] ?? "large";
    const name = Object.entries(MutationKind).find(([, code]) => code === kind)?.[0];
    it(`${name} ${version} on ${state}: ${expected}`, () => assertEquals(outcome(current, kind, { version }), expected));
  }
});

describe("decide and what is kept", () => {
  it("takes flags and expire from the request", () => {
    for (const kind of [set, add]) {
      const { flags, expire, content } = decided(ABSENT, kind);
      assertEquals([flags, expire, content], [3, 77, Content.request]);
    }
    const swapped = decided(ALIVE, cas, { version: 7 });
    assertEquals([swapped.flags, swapped.expire], [3, 77]);
  });

  it("keeps flags and expire of what is extended or counted", () => {
    const numeric = item("5", 7, NOW + 50);
    for (const [kind, content] of [
      [append, Content.currentThenRequest],
      [prepend, Content.requestThenCurrent],
      [incr, Content.number],
    ] as const) {
      const decision = decided(numeric, kind);
      assertEquals([decision.flags, decision.expire, decision.content], [9, NOW + 50, content]);
    }
  });

  it("changes nothing but expire by touch", () => {
    const { flags, expire, version, content } = decided(ALIVE, touch);
    assertEquals([flags, expire, version, content], [9, 77, 7, Content.current]);
    assertEquals(decided(ALIVE, touch, { version: 7 }).result, MutationResult.touched);
    assertEquals(decided(ALIVE, touch, { version: 6 }).result, MutationResult.exists);
  });

  it("notes when an item was deleted and until when it is blocked", () => {
    const { flags, expire } = decided(ALIVE, remove, { expire: NOW + 100 });
    assertEquals([flags, expire], [NOW, NOW + 100]);
  });

  it("stores an item whose time is over already", () => {
    assertEquals(outcome(ALIVE, set, { expire: EXPIRE_PAST }), "stored item 8");
  });

  it("refuses to build a value beyond the limit", () => {
    assertEquals(decided(ALIVE, append, {}, "1234", 7).result, MutationResult.stored);
    for (const kind of [append, prepend]) {
      const decision = decided(ALIVE, kind, {}, "12345", 7);
      assertEquals([decision.result, decision.change], [MutationResult.tooLarge, Change.none]);
    }
  });
});

describe("decide on numbers", () => {
  const cases: [value: string, kind: MutationKind, delta: Uint64, expected: Uint64 | undefined][] = [
    ["10", incr, 5, 15],
    ["007", incr, 1, 8],
    [" 5", incr, 3, 8],
    ["   5", decr, 3, 2],
    ["1", incr, 0, 1],
    ["10", decr, 1, 9],
    ["5", decr, 7, 0],
    ["18446744073709551615", incr, 1, 0],
    ["1", incr, 18446744073709551615n, 0],
    ["18446744073709551615", decr, 1, 18446744073709551614n],
    ["9007199254740991", incr, 1, 9007199254740992n],
    ["9007199254740992", decr, 1, 9007199254740991],
    ["00000000000000000005", incr, 1, 6],
    ["000000000000000000005", incr, 1, 6],
    [`${"0".repeat(1023)}5`, incr, 1, 6],
    [`${"0".repeat(1024)}5`, incr, 1, undefined],
    ["5\r\n", incr, 1, 6],
    ["5\n", incr, 1, 6],
    ["5\0", incr, 1, 6],
    ["5 \0\0", incr, 1, 6],
    ["+5", incr, 1, 6],
    ["+05", incr, 1, 6],
    [" \t\v\f\r\n5", incr, 1, 6],
    ["\t+18446744073709551615\r\n", incr, 1, 0],
    ["0".repeat(30), incr, 1, 1],
    ["+", incr, 1, undefined],
    ["++5", incr, 1, undefined],
    ["+ 5", incr, 1, undefined],
    ["\x005", incr, 1, undefined],
    ["\x00", incr, 1, undefined],
    ["5\x85", incr, 1, undefined],
    ["000000000000018446744073709551616", incr, 1, undefined],
    ["18446744073709551616", incr, 1, undefined],
    ["99999999999999999999999", incr, 1, undefined],
    ["", incr, 1, undefined],
    [" ", incr, 1, undefined],
    ["abc", incr, 1, undefined],
    ["10abc", incr, 1, undefined],
    ["5 ", incr, 1, 6],
    ["-5", incr, 1, undefined],
    ["+5", decr, 1, 4],
    ["1.5", decr, 1, undefined],
  ];
  for (const [value, kind, delta, expected] of cases) {
    it(`"${value}" ${kind === incr ? "+" : "-"} ${delta}`, () => {
      const decision = decided(item(value, 7), kind, { delta });
      if (expected === undefined) assertEquals([decision.result, decision.change], [MutationResult.nonNumeric, Change.none]);
      else assertEquals([decision.result, decision.number, decision.version], [MutationResult.number, expected, 8]);
    });
  }
});

describe("decide to rewrite", () => {
  it("keeps everything that an item has", () => {
    const { content, flags, expire, marks } = decided({ ...ALIVE, expire: NOW + 9, marks: 1 }, rewrite);
    assertEquals([content, flags, expire, marks], [Content.current, 9, NOW + 9, 1]);
  });

  it("keeps until when a deleted key is blocked, and is remembered from now on", () => {
    assertEquals([decided(BLOCKED, rewrite).flags, decided(BLOCKED, rewrite).expire], [NOW, NOW + 1]);
    assertEquals(decided(EXPIRED, rewrite).expire, 0);
  });
});
