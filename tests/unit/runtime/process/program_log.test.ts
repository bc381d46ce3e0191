/**
 * The form of log lines, and the levels that are written.
 *
 * Covers lib/runtime/files/io_fault.ts and lib/runtime/process/terminal_colours.ts.
 */

import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { createProgramLog } from "../../../../lib/runtime/process/program_log.ts";
import { hasColours } from "../../../../lib/runtime/process/terminal_colours.ts";

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

describe("createProgramLog", () => {
  it("writes time, level, program and message on one line", () => {
    const text = written((descriptor) => {
      createProgramLog({ programName: "flared" }, descriptor).write("notice", 'node "a:1" is down');
    });
    assert(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z notice flared node "a:1" is down\n$/.test(text), text);
  });

  it("leaves out what is less important than the threshold", () => {
    const lines = (logLevel: "error" | "notice" | "debug" | undefined) =>
      written((descriptor) => {
        const log = createProgramLog(logLevel === undefined ? {} : { logLevel }, descriptor);
        for (const level of ["debug", "info", "notice", "warning", "error"] as const) log.write(level, level);
      }).split("\n").length - 1;
    assertEquals([lines("error"), lines("notice"), lines(undefined), lines("debug")], [1, 3, 3, 5]);
  });

  it("writes less or more from one moment to the next", () => {
    const text = written((descriptor) => {
      const log = createProgramLog({ logLevel: "error" }, descriptor);
      log.write("notice", "one");
      log.setLevel?.("debug");
      log.write("debug", "two");
      log.setLevel?.("error");
      log.write("warning", "three");
    });
    assert(/^\S+ debug flare two\n$/.test(text), text);
  });

  it("writes objects of JSON, one on each line", () => {
    const text = written((descriptor) => {
      const log = createProgramLog({ programName: "flared", logFormat: "json" }, descriptor);
      log.write("error", 'a "quoted"\nline\u001b[2J é');
    });
    assertEquals(text.split("\n").length, 2);
    const { time, ...rest } = JSON.parse(text) as { time: string };
    assert(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time), time);
    assertEquals(rest, {
      level: "error",
      program: "flared",
      pid: process.pid,
      message: 'a "quoted"\nline\u001b[2J é',
    } as object);
  });

  it("counts lost lines in JSON, too", () => {
    const text = written((descriptor, path) => {
      const log = createProgramLog({ logFormat: "json" }, descriptor);
      closeSync(descriptor);
      log.write("error", "lost");
      assertEquals(openSync(path, "a"), descriptor, "the system gives the lowest free number");
      log.write("error", "back");
    });
    assertEquals((JSON.parse(text) as { linesLost: number }).linesLost, 1);
  });

  it("keeps a message on one line whatever is in it", () => {
    const text = written((descriptor) => createProgramLog({}, descriptor).write("error", "a\r\nb\u001b[2Jc é"));
    assert(text.endsWith(" a\\x0d\\nb\\x1b[2Jc é\n"), text);
  });

  it("opens its file again by the name, and goes on with the old one when it cannot", () => {
    const directory = mkdtempSync(join(tmpdir(), "flare-log-"));
    const logPath = join(directory, "a", "log");
    mkdirSync(join(directory, "a"));
    const log = createProgramLog({ logPath });
    log.write("notice", "one");
    renameSync(join(directory, "a"), join(directory, "b"));
    assertThrows(() => log.reopen?.(), FlareError, `cannot open the log file "${logPath}": ENOENT`);
    log.write("notice", "two");
    mkdirSync(join(directory, "a"));
    log.reopen?.();
    log.write("notice", "three");
    const words = (name: string) =>
      [...readFileSync(join(directory, name, "log"), "utf8").matchAll(/(\w+)\n/g)].map(([, word]) => word);
    assertEquals([words("b"), words("a")], [["one", "two"], ["three"]]);
    assertThrows(() => createProgramLog({ logPath: join(directory, "none", "log") }), FlareError, "cannot open the log file");
    assertEquals(createProgramLog().reopen, undefined);
    rmSync(directory, { recursive: true });
  });

  it("writes a fault that repeats once, and later how often it came", () => {
    const text = written((descriptor) => {
      const log = createProgramLog({}, descriptor);
      for (let i = 0; i < 1000; i++) log.write("error", "sweep failed");
      for (let i = 0; i < 2; i++) log.write("notice", "what is no fault");
    });
    assertEquals(text.split("\n").length - 1, 3, text);
  });

  it("does not throw when nobody can read, and tells later how much was lost", () => {
    const text = written((descriptor, path) => {
      let current = descriptor;
      const log = createProgramLog({}, descriptor);
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

describe("colours", () => {
  it("are for terminals that have them, and for those who want them", () => {
    const { TERM, NO_COLOR } = process.env;
    const ask = (isTTY: boolean, term: string, noColor: string): boolean => {
      process.env.TERM = term;
      process.env.NO_COLOR = noColor;
      return hasColours({ isTTY });
    };
    try {
      assertEquals(
        [ask(true, "xterm", ""), ask(false, "xterm", ""), ask(true, "dumb", ""), ask(true, "xterm", "1")],
        [...[true, false, false, false]],
      );
    } finally {
      if (TERM === undefined) delete process.env.TERM;
      else process.env.TERM = TERM;
      if (NO_COLOR === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = NO_COLOR;
    }
  });
});
