/** What index servers store: a flare.xml with term and checksum, which the original and earlier versions read, and theirs. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { decodeFlareXml, encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import { decodeStoredMap, encodeStoredMap, markText, NOTHING_STORED } from "../../../lib/cluster/stored_map.ts";
import { withNode } from "../../contract/coordinator_suite.ts";

const MAP = withNode(withNode(EMPTY_NODE_MAP, "a"), "b");
const STORED = { map: MAP, term: 12 };
const TEXT = encodeStoredMap(STORED);

describe("a stored map", () => {
  it("is read as it was written", () => {
    for (const stored of [STORED, { ...STORED, term: 999_999_999_999_999 }, NOTHING_STORED]) {
      assertEquals(decodeStoredMap(encodeStoredMap(stored)), stored);
      assertEquals(decodeStoredMap(encodeStoredMap(stored, 4)), stored);
    }
  });

  it("can have a mark, which says that nobody leads on it, and the original reads it nevertheless", () => {
    for (const kind of ["gone to", "arriving from"] as const) {
      const stored = { ...STORED, mark: { kind, place: "etcd://[::1]:2379/<a>&#65;&amp;" } };
      const text = encodeStoredMap(stored);
      assertEquals(decodeStoredMap(text), stored);
      assertEquals(decodeFlareXml(text), MAP);
      assert(markText(stored)?.includes('"etcd://[::1]:2379/<a>&#65;&amp;"'));
      assertThrows(() => decodeStoredMap(text.replace(/<flare_kv_(gone_to|arriving_from)>.*\n/, "")), FlareError);
    }
    assertEquals(markText(STORED), undefined);
  });

  it("is a flare.xml with two lines more at its end", () => {
    const lines = TEXT.split("\n");
    const added = lines.filter((line) => /^<flare_kv_(term|checksum)>/.test(line));
    assertEquals([added.length, lines.indexOf(added[0] as string)], [2, lines.indexOf("</boost_serialization>") - 2]);
    assertEquals(lines.filter((line) => !added.includes(line)).join("\n"), encodeFlareXml(MAP));
    assertEquals(decodeFlareXml(TEXT), MAP);
  });

  it("has term 0 if the original or an earlier version wrote it", () => {
    assertEquals(decodeStoredMap(encodeFlareXml(MAP)), { map: MAP, term: 0 });
    assertEquals(decodeStoredMap(""), NOTHING_STORED);
  });

  it("is refused if any of its bytes is another", () => {
    for (let at = 0; at < TEXT.length; at++) {
      const damaged = `${TEXT.slice(0, at)}${TEXT[at] === "0" ? "1" : "0"}${TEXT.slice(at + 1)}`;
      const error = assertThrows(() => decodeStoredMap(damaged), FlareError) as FlareError;
      assertEquals(error.code, "CORRUPT", damaged);
    }
  });

  it("is refused if its end is missing", () => {
    // White space at the end does not matter.
    for (let length = 1; length < TEXT.trimEnd().length; length++) {
      assertThrows(() => decodeStoredMap(TEXT.slice(0, length)), FlareError);
    }
  });

  it("is accepted after an edit that says so", () => {
    const edited = TEXT.replaceAll("node_balance>0<", "node_balance>3<");
    const error = assertThrows(() => decodeStoredMap(edited), FlareError) as FlareError;
    assert(/^its content has the checksum "[0-9a-f]{8}", not "[0-9a-f]{8}"; if it was edited: write/.test(error.message));
    const { map, term } = decodeStoredMap(edited.replace(/checksum>[0-9a-f]+</, "checksum>unchecked<"));
    assertEquals([map.nodes.map(({ balance }) => balance), term], [[3, 3], 12]);
  });
});
