/** The contract of every file system adapter. Run by `files.test.ts`. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/runtime/runtime.ts";
import { skipWhere } from "../support/skip.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));

/** The names in a directory that begin with `prefix`, sorted. */
const namesIn = (directory: string, prefix: string) =>
  readdirSync(directory)
    .filter((entry) => entry.startsWith(prefix))
    .sort();

export function filesSuite(name: string, files: FileSystem): void {
  describe(`files ${name}`, () => {
    const root = mkdtempSync(files.join(tmpdir(), "flare-files-"));
    after(() => rmSync(root, { recursive: true, force: true }));
    const path = (file: string) => files.join(root, file);

    it("appends, and goes on where the file ended", async () => {
      const file = files.openAppend(path("log"));
      assertEquals(file.size, 0);
      file.append(bytesOf("one "));
      file.append(new Uint8Array(0));
      file.append(bytesOf("two "));
      assertEquals(file.size, 8);
      assertEquals(readFileSync(path("log"), "utf8"), "one two ");
      await file.sync();
      file.close();
      const again = files.openAppend(path("log"));
      assertEquals(again.size, 8);
      again.append(bytesOf("three"));
      again.close();
      assertEquals(textOf(await files.read(path("log"))), "one two three");
    });

    it("appends many megabytes at once", async () => {
      const file = files.openAppend(path("large"));
      const bytes = new Uint8Array(9_000_001).fill(7);
      file.append(bytes.subarray(1));
      file.append(bytes.subarray(0, 1));
      file.close();
      assertEquals(statSync(path("large")).size, 9_000_001);
    });

    it("tells the length of a file, and that there is none", async () => {
      writeFileSync(path("measured"), "12345");
      assertEquals(await files.size(path("measured")), 5);
      assertEquals(await files.size(path("nothing")), undefined);
    });

    it("reads a part of a file, as far as there is one", async () => {
      writeFileSync(path("parts"), "0123456789");
      for (const [start, length] of [
        [0, 10],
        [3, 4],
        [8, 100],
        [10, 5],
        [50, 5],
        [2, 0],
      ] as const) {
        const part = await files.readRange(path("parts"), start, length);
        assertEquals(textOf(part), "0123456789".slice(start, start + length));
      }
      assertEquals(await files.readRange(path("nothing"), 0, 5), undefined);
      await assertRejects(() => files.readRange(root, 0, 5), FlareError, root);
    });

    it("cuts a file and appends behind the cut", async () => {
      const file = files.openAppend(path("cut"));
      file.append(bytesOf("keep this, lose that"));
      file.truncate(10);
      assertEquals(file.size, 10);
      file.append(bytesOf("!"));
      file.close();
      assertEquals(textOf(await files.read(path("cut"))), "keep this,!");
    });

    it("finishes a running sync when the file is closed", async () => {
      const file = files.openAppend(path("closing"));
      file.append(bytesOf("x"));
      const syncs = [file.sync(), file.sync()];
      file.close();
      file.close();
      await Promise.all(syncs);
      assertEquals(assertThrows(() => file.append(bytesOf("y")), FlareError).code, "CLOSED");
    });

    it("reports faults with the path", async () => {
      const missing = files.join(root, "no-such-directory", "file");
      const open = assertThrows(() => files.openAppend(missing), FlareError);
      assertEquals(open.code, "IO_ERROR");
      assertStringIncludes(open.message, `"${missing}"`);
      assertEquals((await assertRejects(() => files.replace(missing, bytesOf("x")), FlareError)).code, "IO_ERROR");
      assertEquals((await assertRejects(() => files.read(root), FlareError)).code, "IO_ERROR");
      assertEquals((await assertRejects(() => files.syncDirectory(missing), FlareError)).code, "IO_ERROR");
      writeFileSync(path("plain"), "");
      assertEquals((await assertRejects(() => files.list(path("plain")), FlareError)).code, "IO_ERROR");
      assertEquals((await assertRejects(() => files.makeDirectory(path("plain")), FlareError)).code, "IO_ERROR");
    });

    it("tells a full disk from other faults", {
      skip: skipWhere(!existsSync("/dev/full"), "there is no /dev/full"),
    }, async () => {
      const file = files.openAppend("/dev/full");
      const error = assertThrows(() => file.append(bytesOf("x")), FlareError);
      assertEquals([error.code, error.retriable], ["DISK_FULL", true]);
      file.close();
    });

    it("reads what is there, as plain bytes", async () => {
      assertEquals(await files.read(path("absent")), undefined);
      writeFileSync(path("present"), "abc");
      const bytes = await files.read(path("present"));
      assertEquals(bytes?.constructor, Uint8Array);
      assertEquals(textOf(bytes), "abc");
    });

    it("replaces a file and keeps the previous one", async () => {
      const state = path("state");
      await files.replace(state, bytesOf("first"));
      assertEquals(textOf(await files.read(state)), "first");
      assert(!existsSync(`${state}.previous`));
      for (const [text, previous] of [
        ["second", "first"],
        ["third", "second"],
        ["fourth", "third"],
      ] as const) {
        await files.replace(state, bytesOf(text));
        assertEquals([textOf(await files.read(state)), textOf(await files.read(`${state}.previous`))], [text, previous]);
      }
      assertEquals(namesIn(root, "state"), ["state", "state.previous"]);
    });

    it("replaces in the order of the calls, and goes on after a fault", async () => {
      const state = path("ordered");
      const failing = files.replace(path("absent/file"), bytesOf("x"));
      const all = Array.from({ length: 20 }, (_, index) =>
        files.replace(state, bytesOf(`content ${index} ${"x".repeat(index * 999)}`)),
      );
      await assertRejects(() => failing, FlareError);
      await Promise.all(all);
      assertEquals(textOf(await files.read(state))?.slice(0, 11), "content 19 ");
      assertEquals(textOf(await files.read(`${state}.previous`))?.slice(0, 11), "content 18 ");
    });

    it("replaces where an interrupted replacement left its files", async () => {
      const state = path("interrupted");
      writeFileSync(state, "whole");
      writeFileSync(`${state}.tmp`, "a longer text than what will be written");
      writeFileSync(`${state}.previous.tmp`, "rest");
      await files.replace(state, bytesOf("new"));
      assertEquals([textOf(await files.read(state)), textOf(await files.read(`${state}.previous`))], ["new", "whole"]);
      assertEquals(namesIn(root, "interrupted").length, 2);
    });

    it("creates a file once, with all its content, whoever else tries", async () => {
      const created = path("created");
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, number) => files.create(created, bytesOf(`content ${number}`))),
      );
      assertEquals(outcomes.filter(Boolean).length, 1);
      assertEquals(textOf(await files.read(created)), `content ${outcomes.indexOf(true)}`);
      assertEquals(namesIn(root, "created"), ["created"]);
      const missing = path("absent/file");
      const error = await assertRejects(() => files.create(missing, bytesOf("x")), FlareError);
      assertEquals(error.code, "IO_ERROR");
      assertStringIncludes(error.message, `cannot create "${missing}"`);
    });

    it("lists sorted names", async () => {
      const directory = path("listing");
      assertEquals(await files.list(directory), []);
      mkdirSync(directory);
      for (const entry of ["b", "a", "c"]) writeFileSync(files.join(directory, entry), "");
      assertEquals(await files.list(directory), ["a", "b", "c"]);
    });

    it("creates, syncs and removes directories", async () => {
      const deep = files.join(root, "one", "two", "three");
      await files.makeDirectory(deep);
      await files.makeDirectory(deep);
      await files.syncDirectory(deep);
      writeFileSync(files.join(deep, "file"), "x");
      await files.remove(path("one"));
      assert(!existsSync(path("one")));
      await files.remove(path("one"));
    });

    it("locks once at a time", async () => {
      const lock = await files.lock(path("LOCK"));
      const error = await assertRejects(() => files.lock(path("LOCK")), FlareError);
      assertEquals(error.code, "DATA_DIR_LOCKED");
      assertEquals(error.message, `"${path("LOCK")}" is locked by process ${process.pid}`);
      await lock.release();
      await lock.release();
      const next = await files.lock(path("LOCK"));
      await lock.release();
      await assertRejects(() => files.lock(path("LOCK")), FlareError);
      await next.release();
      assertEquals(namesIn(root, "LOCK"), []);
    });

    it("takes over a lock whose owner is gone, by boot or by start time", {
      skip: skipWhere(!existsSync("/proc/self/stat"), "there is no /proc/self/stat"),
    }, async () => {
      const lock = await files.lock(path("STALE"));
      const own = JSON.parse(readFileSync(path("STALE"), "utf8")) as object;
      await lock.release();
      const token = "00000000-0000-4000-8000-000000000000";
      for (const change of [{ bootId: "another boot" }, { startTime: "1" }, { pid: 4_194_305 }]) {
        writeFileSync(path("STALE"), JSON.stringify({ ...own, ...change, token }));
        await (await files.lock(path("STALE"))).release();
      }
      writeFileSync(path("STALE"), JSON.stringify({ ...own, token }));
      assertEquals((await assertRejects(() => files.lock(path("STALE")), FlareError)).code, "DATA_DIR_LOCKED");
    });

    it("takes over where another takeover was interrupted", async () => {
      const dead = { pid: 4_194_305, startTime: "1", bootId: "another boot" };
      const [first, second] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
      writeFileSync(path("GUARDED"), JSON.stringify({ ...dead, token: first }));
      writeFileSync(path(`GUARDED.${first}`), JSON.stringify({ ...dead, token: second }));
      const lock = await files.lock(path("GUARDED"));
      assertEquals(namesIn(root, "GUARDED"), ["GUARDED"]);
      await lock.release();
    });

    it("does not touch a file that is no lock", async () => {
      writeFileSync(path("LETTER"), "dear reader");
      assertEquals((await assertRejects(() => files.lock(path("LETTER")), FlareError)).code, "CORRUPT");
      assertEquals(readFileSync(path("LETTER"), "utf8"), "dear reader");
      writeFileSync(path("LETTER"), "{}");
      assertEquals((await assertRejects(() => files.lock(path("LETTER")), FlareError)).code, "CORRUPT");
      const missing = await assertRejects(() => files.lock(files.join(root, "absent", "LOCK")), FlareError);
      assertEquals(missing.code, "IO_ERROR");
    });
  });
}
