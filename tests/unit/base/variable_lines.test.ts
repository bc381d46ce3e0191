/** The lines of `show variables`. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { booleanOption, integerOption, textOption } from "../../../lib/base/option_schema.ts";
import { variableLines } from "../../../lib/base/variable_lines.ts";

const described = { since: "2.0.0", help: "an option" };
const table = {
  waitMs: integerOption({ ...described, name: "wait-time", default: 5, min: 1, max: 9, unit: "s", scale: 1000 }),
  path: textOption({ ...described, name: "path", variable: "its_path", default: "", placeholder: "path" }),
  on: booleanOption({ ...described, name: "on", default: false }),
};

describe("variableLines", () => {
  it("gives the rows' names and texts in the order that is asked for", () => {
    const lines = variableLines(12, table, { waitMs: 3000, path: "", on: true }, ["path", "waitMs"]);
    assertEquals(lines, ["its_path:   ", "wait_time:  3"]);
  });

  it("takes a text that is given instead, behind a blank where the name is long", () => {
    assertEquals(variableLines(4, table, { waitMs: 3000, path: "p", on: true }, ["on", "path"], { on: "1" }), [
      "on: 1",
      "its_path: p",
    ]);
  });
});
