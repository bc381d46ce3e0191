/** The order of the log's levels. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { isAtLeast, LOG_LEVELS } from "../../../lib/base/log_levels.ts";

describe("log levels", () => {
  it("are written down to the threshold", () => {
    const written = LOG_LEVELS.map((threshold) => LOG_LEVELS.filter((level) => isAtLeast(level, threshold)).join(" "));
    assertEquals(written, [
      "error",
      "error warning",
      "error warning notice",
      "error warning notice info",
      "error warning notice info debug",
    ]);
  });
});
