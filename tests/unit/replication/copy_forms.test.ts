/** Each outcome of a write as nodes with and without the meta commands get it. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { EntryMark } from "../../../lib/item/entry.ts";
import { MutationResult } from "../../../lib/item/mutation.ts";
import type { RequestForm } from "../../../lib/net/peer/peer_link.ts";
import { Request } from "../../../lib/protocol/request.ts";
import { ReplyShape } from "../../../lib/protocol/text/text_client.ts";
import { bytesOf, changeForms, itemForms, NOTHING, type Outcome } from "../../../lib/replication/copy_forms.ts";
import { emptyEntry } from "../../../lib/storage/arena/cached_entry.ts";

const { deleted, stored, touched, won } = MutationResult;
const SHAPES = new Map<ReplyShape | undefined, string>([
  [ReplyShape.line, "line"],
  [ReplyShape.meta, "meta"],
  [undefined, "none"],
]);

/** A write of the value `x` with version 7, as a line with the shape of its answer. */
function outcome(result: MutationResult, key: string, marks: number): Outcome {
  const request = new Request();
  const bytes = fromLatin1(key);
  Object.assign(request.mutation.key, { bytes, start: 0, end: bytes.length });
  const entry = {
    ...emptyEntry(),
    bytes: fromLatin1("x"),
    valueStart: 0,
    valueEnd: 1,
    flags: 3,
    expire: 90,
    version: 7,
    marks,
  };
  const applied = { result, entry, number: 0, error: "" };
  return { request, applied, prefix: "<a:1>", key: key.includes(" ") ? undefined : key, expire: 5 };
}

function shown(form: RequestForm | undefined): string | undefined {
  return form === undefined ? undefined : `${latin1(form.bytes).trimEnd()} -> ${SHAPES.get(form.shape)}`;
}

describe("a write for other nodes", () => {
  const { stale } = EntryMark;
  const rows: [title: string, result: MutationResult, key: string, marks: number, meta: string | undefined, plain?: string][] =
    [
      ["an item", stored, "k", 0, undefined, "<a:1>set k 3 90 1 7\r\nx -> line"],
      ["a stale item", stored, "k", stale, "<a:1>ms aw== 1 b F3 T90 E7 X\r\nx -> meta", "<a:1>set k 3 90 1 7\r\nx -> line"],
      ["an item whose key has a space", stored, "a b", 0, "<a:1>ms YSBi 1 b F3 T90 E7\r\nx -> meta"],
      ["a deletion", deleted, "k", 0, undefined, "<a:1>delete k 5 7 -> line"],
      ["a deletion of a key with a space", deleted, "a b", 0, "<a:1>md YSBi b T5 E7 -> meta"],
      ["a touch", touched, "k", 0, "<a:1>touch k 90 7 -> line", "<a:1>touch k 90 -> line"],
      ["a touch of a stale item", touched, "k", stale, "<a:1>mg aw== b T90 E7 X -> meta", "<a:1>touch k 90 -> line"],
      ["a win token that was taken", won, "k", EntryMark.won, "<a:1>mg aw== b T90 E7 W -> meta", "<a:1>touch k 90 -> line"],
      ["a touch of a key with a space", touched, "a b", 0, "<a:1>mg YSBi b T90 E7 -> meta"],
    ];
  for (const [title, result, key, marks, meta, plain] of rows) {
    it(title, () => {
      const forms = changeForms(outcome(result, key, marks), false);
      assertEquals([shown(forms.meta), shown(forms.plain)], [meta, plain]);
      assertEquals(bytesOf(forms), (forms.meta ?? forms.plain)?.bytes.length);
    });
  }

  it("gets no answer if nobody waits for one, except to meta lines", () => {
    const quiet = (result: MutationResult, key: string): (string | undefined)[] => {
      const { meta, plain } = changeForms(outcome(result, key, 0), true);
      return [shown(meta), shown(plain)];
    };
    assertEquals(quiet(stored, "k"), [undefined, "<a:1>set k 3 90 1 7 noreply\r\nx -> none"]);
    assertEquals(quiet(deleted, "k"), [undefined, "<a:1>delete k 5 7 noreply -> none"]);
    assertEquals(quiet(touched, "k"), ["<a:1>touch k 90 7 noreply -> none", "<a:1>touch k 90 noreply -> none"]);
    assertEquals(quiet(deleted, "a b"), ["<a:1>md YSBi b T5 E7 -> meta", undefined]);
  });

  it("goes as the whole item instead of a touch where a copy may be running", () => {
    const { meta, plain } = itemForms(outcome(touched, "k", 0), false);
    assertEquals([shown(meta), shown(plain)], [undefined, "<a:1>set k 3 90 1 7\r\nx -> line"]);
    assertEquals(bytesOf(NOTHING), 0);
  });
});
