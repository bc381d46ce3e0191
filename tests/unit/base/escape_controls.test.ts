/** Text of others on one line. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { escapeControls } from "../../../lib/base/escape_controls.ts";

describe("escaped controls", () => {
  it("change nothing else", () => {
    assertEquals(escapeControls("a\nb\u001b[31m\u0000\u007f\u0085é 漢"), "a\\nb\\x1b[31m\\x00\\x7f\\x85é 漢");
  });
});
