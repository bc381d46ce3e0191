/** Suggestions for mistyped names. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { similarName, suggestion } from "../../../lib/base/similar_name.ts";

const NAMES = ["partitions", "slaves", "data-dir", "index-servers", "index-db", "server-name", "port"];

describe("similarName", () => {
  it("finds the same name in another spelling, its beginning, and a few wrong letters", () => {
    const meant: Record<string, string | undefined> = {
      PARTITIONS: "partitions",
      data_dir: "data-dir",
      dataDir: "data-dir",
      part: "partitions",
      partitons: "partitions",
      parttiions: "partitions",
      slavse: "slaves",
      prot: "port",
      "server-nmae": "server-name",
    };
    for (const [given, name] of Object.entries(meant)) assertEquals(similarName(given, NAMES), name, given);
  });

  it("finds none where none is near, or the beginning is that of two", () => {
    for (const given of ["", "x", "po", "memory", "inde", "zzzzzzzz"])
      assertEquals(similarName(given, NAMES), undefined, given);
    assertEquals(similarName("port", []), undefined);
  });

  it("is said in one sentence, or not at all", () => {
    assertEquals(suggestion("slave", NAMES), '; did you mean "slaves"?');
    assertEquals(suggestion("memory", NAMES), "");
  });
});
