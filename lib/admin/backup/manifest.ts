/**
 * The manifest of a backup: what is in its directory, from which cluster and when, with a checksum of everything. It is JSON,
 * for other programs, with a checksum of its own. It is written when everything else is on disk, so a directory without one is
 * an incomplete backup; until then a draft of it lists the partitions that are complete. Pure.
 */

import { crc32 } from "../../base/crc32.ts";
import { FlareError } from "../../base/errors.ts";

/** The file of a complete backup. */
export const MANIFEST_NAME = "manifest.json";
/** The file of an incomplete one. */
export const DRAFT_NAME = "manifest.draft";

/** The version of this format; others are refused. */
const FORMAT = 1;

/** The dump of a partition. */
export interface BackupFile {
  readonly partition: number;
  /** The name of its file. */
  readonly name: string;
  /** `host:port` of the master it was read from. */
  readonly node: string;
  /**
   * The partition as it was after a change of the master's log, and before the next: the name of the log, zeroes if the master
   * keeps none, and the sequence in it.
   */
  readonly history: string;
  readonly sequence: number;
  /** That moment by the master's clock, in milliseconds since 1970 like all times here. */
  readonly momentMs: number;
  /** When it was asked for: everything acknowledged before is in it. */
  readonly begunMs: number;
  readonly endedMs: number;
  readonly items: number;
  /** Tombstones: deletions that the master remembered. */
  readonly deletions: number;
  readonly bytes: number;
  /** In hexadecimal, as `sha256sum` prints it. */
  readonly sha256: string;
}

/** How keys belong to partitions. */
export interface Partitioning {
  readonly partitions: number;
  readonly partitionSize: number;
  readonly hint: number;
  readonly virtual: number;
  readonly keyHashAlgorithm: string;
}

/** What a manifest says. */
export interface BackupManifest {
  /** Of the program that made it. */
  readonly version: string;
  readonly indexServer: string;
  /** The version of the cluster's node map when the backup began. */
  readonly mapVersion: string;
  readonly partitioning: Partitioning;
  readonly begunMs: number;
  /** Absent in a draft. */
  readonly endedMs?: number;
  /** In the order of their partitions; of a draft those that are complete. */
  readonly files: readonly BackupFile[];
}

/** The text of a manifest. */
export function encodeManifest(manifest: BackupManifest): string {
  const text = JSON.stringify({ format: FORMAT, ...manifest }, undefined, 2);
  return `${text.slice(0, -2)},\n  "crc32": "${checksumOf(text)}"\n}\n`;
}

/** Reads a manifest; `path` is for the message. @throws FlareError CORRUPT | UNSUPPORTED */
export function decodeManifest(text: string, path: string): BackupManifest {
  const [, content, checksum] = /^(\{\n.*),\n {2}"crc32": "([0-9a-f]{8})"\n\}\n$/s.exec(text) ?? [];
  if (content === undefined || checksum === undefined) throw damaged(path, "it is not a manifest with a checksum at its end");
  const found = checksumOf(`${content}\n}`);
  if (found !== checksum) throw damaged(path, `its content has the checksum ${found}, not ${checksum}`);
  const { format, ...manifest } = JSON.parse(`${content}\n}`) as BackupManifest & { readonly format: unknown };
  if (format === FORMAT) return manifest;
  throw new FlareError("UNSUPPORTED", `"${path}" has format ${JSON.stringify(format)}, this version reads format ${FORMAT}`);
}

/** Why a backup of the cluster as it is cannot go on with a draft, as text; undefined: it can. */
export function draftRefusal(draft: BackupManifest, now: BackupManifest): string | undefined {
  const [before, after] = [draft, now].map(({ partitioning }) => JSON.stringify(partitioning));
  if (before === after) return undefined;
  if (draft.partitioning.partitions === now.partitioning.partitions)
    return "it is of a cluster with other partitioning parameters";
  return `it is of a cluster with ${draft.partitioning.partitions} partitions, this one has ${now.partitioning.partitions}`;
}

/** The sums over all files. */
export function totals({ files }: Pick<BackupManifest, "files">): Pick<BackupFile, "items" | "deletions" | "bytes"> {
  const sums = { items: 0, deletions: 0, bytes: 0 };
  for (const { items, deletions, bytes } of files) {
    sums.items += items;
    sums.deletions += deletions;
    sums.bytes += bytes;
  }
  return sums;
}

function damaged(path: string, problem: string): FlareError {
  return new FlareError("CORRUPT", `"${path}" is damaged: ${problem}`);
}

function checksumOf(text: string): string {
  return crc32(new TextEncoder().encode(text)).toString(16).padStart(8, "0");
}
