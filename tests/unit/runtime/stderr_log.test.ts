/** The form of log lines, and the levels that are written. */

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createStderrLog } from "../../../lib/runtime/stderr_log.ts";

/** Runs `use` with a descriptor and gives what was written to it. */
function written(use: (descriptor: number, path: string) => void): string {
  const directory = mkdtempSync(join(tmpdir(), "flare-log-"));
  const path = join(directory, "log");
  const descriptor = openSync(path, "a");
  try {
    use(descriptor, path);
    return readFileSync(path, "utf8");
  } finally {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  }
}

describe("createStderrLog", () => {
  it("writes time, level, program and message on one line", () => {
    const text = written((descriptor) => {
      createStderrLog({ programName: "flared" }, descriptor).write("notice", 'node "a:1" is down');
    });
    assert(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z notice flared node "a:1" is down\n$/.test(text), text);
  });

  it("leaves out what is less important than the threshold", () => {
    const lines = (logLevel: "error" | "notice" | "debug" | undefined) =>
      written((descriptor) => {
        const log = createStderrLog(logLevel === undefined ? {} : { logLevel }, descriptor);
        for (const level of ["debug", "info", "notice", "warning", "error"] as const) log.write(level, "x");
      }).split("\n").length - 1;
    assertEquals([lines("error"), lines("notice"), lines(undefined), lines("debug")], [1, 3, 3, 5]);
  });

  it("keeps a message on one line whatever is in it", () => {
    const text = written((descriptor) => createStderrLog({}, descriptor).write("error", "a\r\nb\u001b[2Jc é"));
    assert(text.endsWith(" a\\x0d\\nb\\x1b[2Jc é\n"), text);
  });

  it("does not throw when nobody can read, and tells later how much was lost", () => {
    const text = written((descriptor, path) => {
      let current = descriptor;
      const log = createStderrLog({}, descriptor);
      log.write("error", "first");
      closeSync(current);
      log.write("error", "lost");
      log.write("error", "lost too");
      current = openSync(path, "a");
      assertEquals(current, descriptor, "the system gives the lowest free number");
      log.write("error", "back");
      log.write("error", "last");
    });
    assert(/ first\n.* \[2 lines lost\] back\n.* flare last\n$/.test(text), text);
  });
});
