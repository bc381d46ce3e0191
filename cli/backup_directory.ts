/**
 * The directory of a backup: one file per partition, under its name only when it is complete and on disk, and the manifest,
 * written last. While a backup is taken, or after it was interrupted, there is a draft of the manifest instead. Reading trusts
 * nothing: every byte is compared with the manifest.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type BackupFile,
  type BackupManifest,
  DRAFT_NAME,
  decodeManifest,
  encodeManifest,
  MANIFEST_NAME,
} from "../lib/admin/backup/manifest.ts";
import type { BackupStore } from "../lib/admin/backup/take_backup.ts";
import { DumpFileParser } from "../lib/admin/dump_file_parser.ts";
import { DumpFormat } from "../lib/admin/dump_format.ts";
import { FlareError } from "../lib/base/errors.ts";
import type { FileLock } from "../lib/runtime/runtime.ts";
import { detectRuntime } from "../mod.ts";
import { type Write, writeResult } from "./output_file.ts";

const lockName = "LOCK";
const partial = /\.partial-\d+$/;
const chunkBytes = 1 << 18;

/** A directory in which a backup is being taken. */
export class BackupDirectory implements BackupStore {
  readonly #path: string;
  readonly #lock: FileLock;
  /** Drafts are written one after another. */
  #lastDraft: Promise<void> = Promise.resolve();

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /**
   * Makes the directory if it does not exist, and excludes other writers until `close`. @throws FlareError REFUSED if it has
   * other files | DATA_DIR_LOCKED | IO_ERROR
   */
  static async open(path: string): Promise<BackupDirectory> {
    const { files } = detectRuntime();
    await mkdir(path, { recursive: true }).catch(unreadable(path));
    const names = await namesIn(path);
    const isOurs = names.includes(DRAFT_NAME) || names.includes(MANIFEST_NAME) || names.every((name) => name === lockName);
    if (!isOurs) throw new FlareError("REFUSED", `"${path}" has other files and no backup: give a directory of its own`);
    const lock = await files.lock(join(path, lockName));
    for (const name of names) if (partial.test(name)) await rm(join(path, name));
    return new BackupDirectory(path, lock);
  }

  async draft(): Promise<BackupManifest | undefined> {
    const { state, manifest } = await readBackup(this.#path);
    if (state === "complete") throw new FlareError("REFUSED", `"${this.#path}" has a complete backup: give another directory`);
    if (manifest === undefined) return undefined;
    const files: BackupFile[] = [];
    for (const file of manifest.files) if ((await sizeOf(join(this.#path, file.name))) === file.bytes) files.push(file);
    return { ...manifest, files };
  }

  saveDraft(draft: BackupManifest): Promise<void> {
    const saved = this.#lastDraft.then(() => this.#writeText(DRAFT_NAME, encodeManifest(draft)));
    // The queue goes on after an error, which belongs to its caller.
    this.#lastDraft = saved.catch(() => undefined);
    return saved;
  }

  async write(name: string, work: (write: Write) => Promise<void>): Promise<Pick<BackupFile, "bytes" | "sha256">> {
    const hash = createHash("sha256");
    let bytes = 0;
    await writeResult(join(this.#path, name), (write) =>
      work(async (chunk) => {
        hash.update(chunk);
        bytes += chunk.length;
        await write(chunk);
      }),
    );
    return { bytes, sha256: hash.digest("hex") };
  }

  async complete(manifest: BackupManifest): Promise<void> {
    await this.#lastDraft;
    await this.#writeText(MANIFEST_NAME, encodeManifest(manifest));
    await rm(join(this.#path, DRAFT_NAME), { force: true }).catch(unreadable(this.#path));
  }

  close(): Promise<void> {
    return this.#lock.release();
  }

  async #writeText(name: string, text: string): Promise<void> {
    await writeResult(join(this.#path, name), (write) => write(new TextEncoder().encode(text)));
  }
}

/** A directory that may have a backup. */
export interface BackupState {
  /** `none`: it has no backup; `damaged`: its manifest, or the draft of one, cannot be read. */
  readonly state: "complete" | "incomplete" | "damaged" | "none";
  /** Of an incomplete one the draft. */
  readonly manifest: BackupManifest | undefined;
  /** Why it is damaged. */
  readonly problem: string;
}

/** What a directory has, by its manifest alone. @throws FlareError IO_ERROR */
export async function readBackup(path: string): Promise<BackupState> {
  for (const [name, state] of [
    [MANIFEST_NAME, "complete"],
    [DRAFT_NAME, "incomplete"],
  ] as const) {
    const file = join(path, name);
    const text = await textOf(file);
    if (text === undefined) continue;
    try {
      return { state, manifest: decodeManifest(text, file), problem: "" };
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return { state: "damaged", manifest: undefined, problem: error.message };
    }
  }
  return { state: "none", manifest: undefined, problem: "" };
}

/** The manifest of a complete backup. @throws FlareError REFUSED | CORRUPT | IO_ERROR */
export async function completeBackup(path: string): Promise<BackupManifest> {
  const { state, manifest, problem } = await readBackup(path);
  if (state === "damaged") throw new FlareError("CORRUPT", problem);
  if (state === "complete" && manifest !== undefined) return manifest;
  const what = state === "none" ? "has no backup" : `has an incomplete backup: "flare backup ${path}" goes on with it`;
  throw new FlareError("REFUSED", `"${path}" ${what}`);
}

/** The directories with a backup: this one, else those in it, in the order of their names. @throws FlareError IO_ERROR */
export async function findBackups(path: string): Promise<(BackupState & { readonly path: string })[]> {
  const own = await readBackup(path);
  if (own.state !== "none") return [{ path, ...own }];
  const found: (BackupState & { path: string })[] = [];
  for (const name of await namesIn(path)) {
    const inside = join(path, name);
    const isDirectory = await stat(inside).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
    if (!isDirectory) continue;
    const backup = await readBackup(inside);
    if (backup.state !== "none") found.push({ path: inside, ...backup });
  }
  return found;
}

/** The bytes of one of its files. @throws FlareError IO_ERROR */
export async function* backupChunks(path: string, { name }: BackupFile): AsyncGenerator<Uint8Array> {
  const file = join(path, name);
  try {
    yield* createReadStream(file, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    unreadable(file)(cause);
  }
}

/** Reads a file to its end; returns what is wrong with it, undefined = nothing. `onBytes` is for the progress. */
export async function problemOf(path: string, file: BackupFile, onBytes: (bytes: number) => void): Promise<string | undefined> {
  const hash = createHash("sha256");
  const parser = new DumpFileParser(DumpFormat.default);
  const found = { bytes: 0, items: 0, deletions: 0 };
  const count = (): void => {
    for (let next = parser.next(); next !== undefined; next = parser.next()) next.tombstone ? found.deletions++ : found.items++;
  };
  try {
    if ((await sizeOf(join(path, file.name))) === undefined) return "is missing";
    for await (const chunk of backupChunks(path, file)) {
      hash.update(chunk);
      parser.push(chunk);
      count();
      found.bytes += chunk.length;
      onBytes(chunk.length);
    }
    const rest = parser.last();
    if (rest !== undefined) rest.tombstone ? found.deletions++ : found.items++;
    parser.requireComplete();
  } catch (error) {
    if (error instanceof FlareError) return `is damaged: ${error.message}`;
    throw error;
  }
  for (const what of ["bytes", "items", "deletions"] as const) {
    if (found[what] !== file[what]) return `has ${found[what]} ${what}, but the manifest says ${file[what]}`;
  }
  const sha256 = hash.digest("hex");
  return sha256 === file.sha256 ? undefined : `has the SHA-256 ${sha256}, but the manifest says ${file.sha256}`;
}

async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path).catch(unreadable(path))).sort();
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    return unreadable(path)(error);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    return unreadable(path)(error);
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("IO_ERROR", `"${path}" cannot be used: ${reason}`, { cause });
  };
}
