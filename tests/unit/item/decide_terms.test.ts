/**
 * The writes with terms: conditions, creation of what is absent, marks and wins.
 *
 * Covers lib/item/mutation.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import type { Uint64 } from "../../../lib/base/uint64.ts";
import { Change, Content, type Current, CurrentKind, emptyDecision } from "../../../lib/item/decide.ts";
import { decideWithTerms, winsToken } from "../../../lib/item/decide_terms.ts";
import { EntryMark } from "../../../lib/item/entry.ts";
import { emptyTerms, type Mutation, MutationKind, MutationResult, type MutationTerms } from "../../../lib/item/mutation.ts";
import { mutation } from "../../support/storage_world.ts";

const NOW = 1_700_000_000;
const SOON = NOW + 50;
const { stale, won } = EntryMark;

function item(value: string, version: Uint64, expire = 0, marks = 0): Current {
  const bytes = fromLatin1(value);
  return { kind: CurrentKind.value, flags: 9, expire, version, marks, bytes, valueStart: 0, valueEnd: bytes.length };
}

const ABSENT: Current = { ...item("", 0), kind: CurrentKind.absent };
const GONE: Current = { ...item("", 7), kind: CurrentKind.tombstone };
const ALIVE = item("old", 7);
const STALE = item("old", 7, SOON, stale);
const SENT = item("old", 7, SOON, stale | won);

type Asked = Partial<MutationTerms> & Pick<Partial<Mutation>, "version" | "expire">;

/** Result; if something changes: version, content, time, marks. */
function outcome(current: Current, kind: MutationKind, { version = 0, expire = 77, ...terms }: Asked = {}): string {
  const decision = emptyDecision();
  const request = mutation(kind, "k", "new", { flags: 3, expire, version, delta: 1 });
  decideWithTerms(current, request, { ...emptyTerms(), ...terms }, NOW, 1000, decision);
  const result = name(MutationResult, decision.result);
  if (decision.change === Change.none) return result;
  if (decision.change === Change.remove) return `${result}, tombstone ${decision.version}`;
  const marks = `${decision.marks & stale ? " stale" : ""}${decision.marks & won ? " won" : ""}`;
  const content = decision.content === Content.number ? decision.number : name(Content, decision.content);
  return `${result} ${decision.version} ${content} flags ${decision.flags} until ${decision.expire}${marks}`;
}

function name(codes: Readonly<Record<string, number>>, code: number): string {
  return Object.entries(codes).find(([, one]) => one === code)?.[0] ?? "?";
}

const { set, add, replace, append, prepend, incr, decr, delete: remove, fetch, invalidate, clear, restore } = MutationKind;

describe("decide with terms", () => {
  const rows: [title: string, current: Current, kind: MutationKind, asked: Asked, expected: string][] = [
    ["set, the version compared is right", ALIVE, set, { compare: 7 }, "stored 8 request flags 3 until 77"],
    ["set, it is wrong", ALIVE, set, { compare: 6 }, "exists"],
    ["set, a newer one is wrong, too", ALIVE, set, { compare: 8, invalidate: true }, "exists"],
    ["set, nothing to compare with", ABSENT, set, { compare: 7 }, "notFound"],
    ["set, only a tombstone to compare with", GONE, set, { compare: 7 }, "notFound"],
    [
      "set, an older one is stored as stale and keeps its time",
      item("old", 7, SOON),
      set,
      { compare: 6, invalidate: true },
      `stored 8 request flags 3 until ${SOON} stale`,
    ],
    [
      "set, the win token stays taken",
      SENT,
      set,
      { compare: 6, invalidate: true },
      `stored 8 request flags 3 until ${SOON} stale won`,
    ],
    ["set, the right one is fresh", SENT, set, { compare: 7, invalidate: true }, "stored 8 request flags 3 until 77"],
    ["set with a version of its own", ALIVE, set, { compare: 7, version: 99 }, "stored 99 request flags 3 until 77"],
    ["set, versions never go back", ALIVE, set, { version: 7 }, "notStored"],
    [
      "set with marks of another node",
      ALIVE,
      set,
      { version: 9, marks: stale | won },
      "stored 9 request flags 3 until 77 stale won",
    ],
    ["add knows no condition", ALIVE, add, { compare: 7 }, "notStored"],
    ["add of what is absent", GONE, add, { compare: 7 }, "stored 8 request flags 3 until 77"],
    ["replace, wrong", ALIVE, replace, { compare: 6 }, "exists"],
    ["append, wrong", ALIVE, append, { compare: 6 }, "exists"],
    ["append, right", ALIVE, append, { compare: 7 }, "stored 8 currentThenRequest flags 9 until 0"],
    ["append makes a stale item fresh", STALE, append, {}, `stored 8 currentThenRequest flags 9 until ${SOON}`],
    ["append to nothing", ABSENT, append, { compare: 7 }, "notStored"],
    [
      "append to nothing, created",
      ABSENT,
      append,
      { vivify: true, vivifyExpire: SOON },
      `stored 1 request flags 3 until ${SOON}`,
    ],
    ["prepend to a deleted one, created", GONE, prepend, { vivify: true }, "stored 8 request flags 3 until 0"],
    ["incr, wrong", item("5", 7), incr, { compare: 6 }, "exists"],
    ["incr", item("5", 7, SOON, stale), incr, { compare: 7 }, `number 8 6 flags 9 until ${SOON} stale`],
    ["incr and touch", item("5", 7, SOON), incr, { updateExpire: true }, "number 8 6 flags 9 until 77"],
    ["incr with a version of its own", item("5", 7), incr, { version: 50 }, "number 50 6 flags 9 until 0"],
    ["incr, versions never go back", item("5", 7), incr, { version: 7 }, "notStored"],
    ["incr of text", ALIVE, incr, { vivify: true, initial: 3 }, "nonNumeric"],
    ["incr of nothing", ABSENT, incr, { initial: 3 }, "notFound"],
    [
      "decr of nothing, created",
      GONE,
      decr,
      { vivify: true, initial: 3, vivifyExpire: SOON },
      `number 8 3 flags 3 until ${SOON}`,
    ],
    ["delete, wrong", ALIVE, remove, { compare: 6 }, "exists"],
    ["delete, right", ALIVE, remove, { compare: 7 }, "deleted, tombstone 7"],
    ["delete by another node", ABSENT, remove, { version: 9 }, "notFound, tombstone 9"],
    ["invalidate", ALIVE, invalidate, {}, "stored 8 current flags 9 until 0 stale"],
    ["invalidate and touch", SENT, invalidate, { updateExpire: true }, "stored 8 current flags 9 until 77 stale"],
    ["invalidate, wrong", ALIVE, invalidate, { compare: 6 }, "exists"],
    ["invalidate nothing", GONE, invalidate, {}, "notFound"],
    ["clear", STALE, clear, {}, "stored 8 nothing flags 3 until 77"],
    ["clear and invalidate", ALIVE, clear, { invalidate: true, version: 20 }, "stored 20 nothing flags 3 until 77 stale"],
    ["clear nothing", ABSENT, clear, {}, "notFound"],
    ["fetch nothing", ABSENT, fetch, { updateExpire: true }, "notFound"],
    ["fetch, created", GONE, fetch, { vivify: true, vivifyExpire: SOON }, `stored 8 nothing flags 3 until ${SOON} won`],
    ["fetch and touch", ALIVE, fetch, { updateExpire: true }, "touched 7 current flags 9 until 77"],
    ["fetch, touched by another node", ALIVE, fetch, { updateExpire: true, version: 7 }, "touched 7 current flags 9 until 77"],
    ["fetch, another version touched by another node", ALIVE, fetch, { updateExpire: true, version: 6 }, "exists"],
    ["fetch, not created", ALIVE, fetch, { vivify: true, version: 99 }, "touched 7 current flags 9 until 0"],
    ["fetch a stale one", STALE, fetch, {}, `won 7 current flags 9 until ${SOON} stale won`],
    ["fetch a stale one that is won", SENT, fetch, {}, `touched 7 current flags 9 until ${SOON} stale won`],
    [
      "fetch shortly before the end",
      item("old", 7, SOON),
      fetch,
      { recacheExpire: NOW + 60 },
      `won 7 current flags 9 until ${SOON} won`,
    ],
    ["fetch in time", item("old", 7, SOON), fetch, { recacheExpire: NOW + 40 }, `touched 7 current flags 9 until ${SOON}`],
    [
      "fetch, touched before it is looked at",
      item("old", 7, SOON),
      fetch,
      { recacheExpire: NOW + 60, updateExpire: true, expire: NOW + 90 },
      `touched 7 current flags 9 until ${NOW + 90}`,
    ],
    [
      "fetch, looked at before it is touched",
      item("old", 7, SOON),
      fetch,
      { recacheExpire: NOW + 60, recacheFirst: true, updateExpire: true, expire: NOW + 90 },
      `won 7 current flags 9 until ${NOW + 90} won`,
    ],
    ["fetch, won elsewhere", ALIVE, fetch, { marks: won }, "touched 7 current flags 9 until 0 won"],
    ["restore with marks", ABSENT, restore, { version: 4, marks: stale }, "stored 4 request flags 3 until 77 stale"],
  ];
  for (const [title, current, kind, asked, expected] of rows) {
    it(title, () => {
      assertEquals(outcome(current, kind, asked), expected);
    });
  }

  it("an item of no limited time is never about to end", () => {
    assertEquals(winsToken(0, 0, NOW + 1000), false);
    assertEquals(winsToken(0, SOON, SOON), false);
    assertEquals(winsToken(0, SOON, SOON + 1), true);
  });
});
