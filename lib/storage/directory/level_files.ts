/**
 * LevelDB's files, checked from outside: which file refers to which, and which tables must exist. LevelDB itself takes a
 * directory without CURRENT for a new database and removes the tables in it, and it opens tables only when they are read.
 */

import { latin1 } from "../../base/bytes.ts";
import { dataDamage } from "../../base/data_damage.ts";
import type { FileSystem } from "../../runtime/runtime.ts";
import type { KnownFile } from "./directory_record.ts";
import { type LevelTable, readLevelManifest } from "./level_manifest.ts";

const TABLE = /^[0-9]+\.(ldb|sst)$/;

/** True for a file that holds data or refers to it; LevelDB does not need the others. */
export function isLevelData(name: string): boolean {
  return name === "CURRENT" || name.startsWith("MANIFEST-") || TABLE.test(name) || /^[0-9]+\.log$/.test(name);
}

/**
 * Checks a directory before LevelDB opens it: CURRENT exists if required, the manifest is not shorter than before, and each
 * table has its length.
 * @throws FlareError CORRUPT | IO_ERROR
 */
export async function checkLevelFiles(
  files: FileSystem,
  directory: string,
  mustExist: boolean,
  known: KnownFile | undefined,
): Promise<void> {
  const names = await files.list(directory);
  const manifest = await currentManifest(files, directory);
  if (manifest === undefined) {
    const table = names.find((name) => TABLE.test(name));
    if (!mustExist && table === undefined) return;
    throw dataDamage(
      files.join(directory, "CURRENT"),
      `is missing${table === undefined ? "" : `, although "${table}" is there`}`,
    );
  }
  const path = files.join(directory, manifest);
  const bytes = await files.read(path);
  if (bytes === undefined) throw dataDamage(path, "is missing, although CURRENT names it");
  if (known?.name === manifest && bytes.length < known.bytes) {
    throw dataDamage(path, `has ${bytes.length} bytes, it had ${known.bytes} at the last checkpoint`);
  }
  for (const table of readLevelManifest(bytes)) await checkTable(files, directory, table);
}

/** The manifest and its length; undefined = there is no LevelDB. */
export async function levelManifest(files: FileSystem, directory: string): Promise<KnownFile | undefined> {
  const name = await currentManifest(files, directory);
  if (name === undefined) return undefined;
  const path = files.join(directory, name);
  const bytes = await files.size(path);
  if (bytes === undefined) return undefined;
  const file = files.openAppend(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
  await files.syncDirectory(directory);
  return { name, bytes };
}

/** The file name of a table, unless it is an old one that ends in `.sst`. */
export function levelTableName(number: number): string {
  return `${String(number).padStart(6, "0")}.ldb`;
}

/** The path of a table, with either of its two endings; undefined = there is none. */
export async function tablePath(files: FileSystem, directory: string, number: number): Promise<string | undefined> {
  const name = levelTableName(number);
  for (const each of [name, name.replace(/ldb$/, "sst")]) {
    const path = files.join(directory, each);
    if ((await files.size(path)) !== undefined) return path;
  }
  return undefined;
}

/** The manifest that CURRENT names; undefined = there is no CURRENT. @throws FlareError CORRUPT | IO_ERROR */
export async function currentManifest(files: FileSystem, directory: string): Promise<string | undefined> {
  const path = files.join(directory, "CURRENT");
  const bytes = await files.read(path);
  if (bytes === undefined) return undefined;
  const text = latin1(bytes);
  if (!/^MANIFEST-[0-9]+\n$/.test(text)) throw dataDamage(path, "is damaged");
  return text.trim();
}

async function checkTable(files: FileSystem, directory: string, table: LevelTable): Promise<void> {
  const path = await tablePath(files, directory, table.number);
  const bytes = path === undefined ? undefined : await files.size(path);
  if (path === undefined || bytes === undefined) {
    throw dataDamage(files.join(directory, levelTableName(table.number)), "is missing");
  }
  if (bytes !== table.bytes) throw dataDamage(path, `has ${bytes} bytes, it had ${table.bytes} when it was written`);
}
