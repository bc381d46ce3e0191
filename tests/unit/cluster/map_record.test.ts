/** The records of the history of the node map, as text and back. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { decodeMapRecord, encodeMapRecord, type MapRecord } from "../../../lib/cluster/map_record.ts";

const RECORD: MapRecord = {
  version: 18446744073709551615n,
  term: 7,
  atMs: 1_790_000_000_123,
  server: "10.0.0.1:12120",
  cause: '"node state h\xe9 1 down" from 10.0.0.7:40612 as "ops"',
  events: ['lost "a:1": master of partition 0, active, balance 1 -> proxy, down, balance 0', "\u2028\r\n"],
};

describe("a record of a stored map", () => {
  it("is one line of ASCII, and comes back as it was", () => {
    const text = encodeMapRecord(RECORD);
    assert(/^[\x20-\x7e]+$/.test(text), text);
    assertEquals(decodeMapRecord(text), RECORD);
    assertEquals(decodeMapRecord(encodeMapRecord({ ...RECORD, version: 0, events: [] })), {
      ...RECORD,
      version: 0,
      events: [],
    });
  });

  it("is bounded, whatever a change does to however many nodes", () => {
    const events = Array.from({ length: 5000 }, (_, i) => `${i} ${"x".repeat(1000)}`);
    const text = encodeMapRecord({ ...RECORD, cause: "c".repeat(100_000), events });
    assert(text.length < 12_000, String(text.length));
    const { cause, events: shown = [] } = decodeMapRecord(text) ?? {};
    assertEquals([cause?.length, shown.length, shown[0]?.slice(0, 3), shown.at(-1)], [500, 21, "0 x", "and 4980 more"]);
  });

  it("is not read where something is missing or of another kind", () => {
    const whole = JSON.parse(encodeMapRecord(RECORD)) as Record<string, unknown>;
    for (const name of Object.keys(whole)) {
      for (const wrong of [undefined, null, -1, [1], {}]) {
        assertEquals(decodeMapRecord(JSON.stringify({ ...whole, [name]: wrong })), undefined, `${name} ${wrong}`);
      }
    }
    assertEquals(decodeMapRecord(JSON.stringify({ ...whole, version: "-1" })), undefined);
    for (const text of ["", "null", "7", "[]", "{", "{}"]) assertEquals(decodeMapRecord(text), undefined);
  });
});
