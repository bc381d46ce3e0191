/** An output file gets its name only when it is complete; an earlier file stays until then. */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { writeResult } from "../../cli/output_file.ts";
import { readPidFile, writePidFile } from "../../cli/pid_file.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { detectRuntime, FlareError } from "../../mod.ts";
import { skipUnless, skipWhere } from "../support/skip.ts";
import { startFile } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

function writeText(path: string, ...texts: readonly string[]): Promise<void> {
  return writeResult(path, async (write) => {
    for (const text of texts) await write(fromLatin1(text));
  });
}

describe("a file of results", () => {
  it("is written as a whole, over what was there, with its permissions and through a link", async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = join(directory, "file");
      await writeText(path, "first");
      chmodSync(path, 0o640);
      const link = join(directory, "link");
      symlinkSync(path, link);
      await writeText(link, "second ", "and longer");
      assertEquals([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["second and longer", 0o640]);
      assertEquals([readlinkSync(link), readdirSync(directory).sort()], [path, ["file", "link"]]);
    });
  });

  it("is as it was when the work fails half way, and nothing is left beside it", async () => {
    await withTemporaryDirectory(async (directory) => {
      const [old, fresh] = [join(directory, "old"), join(directory, "new")];
      writeFileSync(old, "yesterday's");
      for (const path of [old, fresh]) {
        const failing = writeResult(path, async (write) => {
          await write(fromLatin1("half"));
          assertEquals(existsSync(fresh), false);
          throw new FlareError("CONNECTION_FAILED", "lost");
        });
        assertEquals((await assertRejects(() => failing, FlareError)).message, "lost");
      }
      assertEquals([readFileSync(old, "utf8"), readdirSync(directory)], ["yesterday's", ["old"]]);
    });
  });

  it("is as it was when a signal ends the program", async () => {
    for (const [signal, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      await withTemporaryDirectory(async (directory) => {
        const path = join(directory, "file");
        writeFileSync(path, "yesterday's");
        const program = startFile("tests/cli/endless_result.ts", [path]);
        await program.waitFor("half");
        assertEquals(readdirSync(directory).length, 2);
        program.kill(signal);
        assertEquals((await program.finished).status, status);
        assertEquals([readFileSync(path, "utf8"), readdirSync(directory)], ["yesterday's", ["file"]]);
      });
    }
  });

  it("names what cannot be replaced", async () => {
    await withTemporaryDirectory(async (directory) => {
      const target = join(directory, "directory");
      mkdirSync(target);
      for (const path of [target, join(directory, "missing", "file")]) {
        const error = await assertRejects(() => writeText(path, "x"), FlareError);
        assertEquals([error.code, error.message.startsWith(`"${path}" cannot be written: `)], ["IO_ERROR", true]);
      }
      assertEquals(readdirSync(directory), ["directory"]);
    });
  });

  it("may be a pipe or a device", { skip: skipWhere(process.platform === "win32", "Windows has no such files") }, async () => {
    await withTemporaryDirectory(async (directory) => {
      await writeText("/dev/null", "x");
      const pipe = join(directory, "pipe");
      execFileSync("mkfifo", [pipe]);
      const read = new Promise<string>((resolve) => {
        const reader = startFile("tests/cli/read_file.ts", [pipe]);
        void reader.finished.then(({ stdout }) => resolve(stdout));
      });
      await writeText(pipe, "through", " a pipe");
      assertEquals(await read, "through a pipe");
      assertEquals(readdirSync(directory), ["pipe"]);
    });
  });
});

describe("a full disk", { skip: skipUnless(isRoot, "root, to mount a small disk,") }, () => {
  it("leaves the files of earlier runs as they were, and nothing beside them", async () => {
    await withSmallDisk(async (disk) => {
      const files = detectRuntime({ programName: "test", logLevel: "error" }).files;
      const path = join(disk, "backup");
      await writeText(path, "yesterday's");
      await files.replace(join(disk, "flare.xml"), fromLatin1("map 1"));
      await files.replace(join(disk, "flare.xml"), fromLatin1("map 2"));
      writeFileSync(join(disk, "pid"), "1\n");
      const before = readdirSync(disk);

      const error = await assertRejects(() => writeText(path, ...Array(64).fill("x".repeat(65536))), FlareError);
      assertMatch(error.message, /backup" cannot be written: .*no space left/i);
      const replacing = await assertRejects(
        () => files.replace(join(disk, "flare.xml"), new Uint8Array(4 * 1048576)),
        FlareError,
      );
      assertEquals(replacing.code, "DISK_FULL");
      assertEquals(readdirSync(disk), before);
      const texts = ["backup", "flare.xml", "flare.xml.previous"].map((name) => readFileSync(join(disk, name), "utf8"));
      assertEquals(texts, ["yesterday's", "map 2", "map 1"]);

      fillUp(disk);
      try {
        writePidFile(join(disk, "pid"));
      } catch {
        assertEquals(readPidFile(join(disk, "pid")), 1);
      }
    });
  });
});

function fillUp(disk: string): void {
  try {
    writeFileSync(join(disk, "ballast"), new Uint8Array(4 * 1048576));
  } catch {
    // That is how it is full.
  }
}

/** A disk of one mebibyte in a file. */
async function withSmallDisk(test: (disk: string) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const [image, disk] = [join(directory, "image"), join(directory, "disk")];
    writeFileSync(image, new Uint8Array(1048576));
    mkdirSync(disk);
    execFileSync("mkfs.ext2", ["-q", "-F", image], { stdio: "ignore" });
    execFileSync("mount", ["-o", "loop", image, disk]);
    try {
      await test(disk);
    } finally {
      execFileSync("umount", ["-l", disk]);
    }
  });
}
