/** Which keys a line of text can hold, and the keys of a request that names several. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { hasLongKey, isTextKey, keysOf } from "../../../../lib/protocol/text/text_key.ts";

function asked(keys: string): Request {
  const bytes = fromLatin1(`get ${keys}\r\n`);
  return Object.assign(new Request(), { bytes, keysStart: 4, keysEnd: 4 + keys.length });
}

describe("a key in a line of text", () => {
  it("is not empty and has no space, line end or NUL", () => {
    const isOne = (text: string): boolean => isTextKey(fromLatin1(`x${text}x`), 1, 1 + text.length);
    assertEquals(["k", "a\tb", "\xff\x01", "<a>"].map(isOne), [true, true, true, true]);
    assertEquals(["", "a b", "a\nb", "a\r", "\0"].map(isOne), [false, false, false, false, false]);
    assert(isTextKey(fromLatin1("whole")) && !isTextKey(fromLatin1("not whole")) && !isTextKey(new Uint8Array(0)));
  });

  it("is one of several, each with the same limit", () => {
    assertEquals(keysOf(asked("a  bc d ")), ["a", "bc", "d"]);
    const isLong = (keys: string): boolean => hasLongKey(asked(keys), 3);
    assertEquals(["abc", "abc abc", "abc  a abc ", ""].map(isLong), [false, false, false, false]);
    assertEquals(["abcd", "a abcd", "abcd a", "a abcd a"].map(isLong), [true, true, true, true]);
  });
});
