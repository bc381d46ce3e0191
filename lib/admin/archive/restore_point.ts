/**
 * A backup and the archived change logs that go on from it: which times can be restored, and what every partition had at one
 * of them.
 */

import { FlareError } from "../../base/errors.ts";
import { utcText } from "../../base/utc_time.ts";
import type { BackupFile, BackupManifest } from "../backup/manifest.ts";
import type { ArchiveFiles, ArchiveIndex } from "./archive_index.ts";
import { Replay } from "./replay.ts";
import { RouteFinder } from "./route.ts";

/** Times that can be restored, as seconds since 1970. */
export interface RestorableTimes {
  readonly first: number;
  readonly last: number;
}

/** What a partition had at a point in time: see `Replay`. */
export interface PartitionReplay {
  readonly file: BackupFile;
  /** The node whose state it is. */
  readonly node: string;
  readonly replay: Replay;
}

/** The times that a backup and an archive reach in all partitions; undefined: none. There may be gaps between them. */
export function restorableTimes(index: ArchiveIndex, manifest: BackupManifest): RestorableTimes | undefined {
  let [first, last] = [0, Number.POSITIVE_INFINITY];
  for (const file of manifest.files) {
    const finder = finderOf(index, manifest, file);
    first = Math.max(first, finder.first);
    last = Math.min(last, finder.last ?? 0);
  }
  return first <= last ? { first, last } : undefined;
}

/**
 * Finds the way of every partition to the beginning of a second, and reads all of it once.
 * @throws FlareError REFUSED (what is missing, and what to do) | CORRUPT | IO_ERROR
 */
export async function replaysTo(
  files: ArchiveFiles,
  index: ArchiveIndex,
  manifest: BackupManifest,
  second: number,
  onProgress: (line: string) => void,
): Promise<PartitionReplay[]> {
  // All ways first: a missing one is known before anything is read.
  const found = manifest.files.map((file) => {
    const route = finderOf(index, manifest, file).to(second);
    return { file, node: route.node, replay: new Replay(files, route, second) };
  });
  for (const { file, node, replay } of found) {
    await withHint(() => replay.check());
    const flush = replay.hasFlush ? ", which begin with a flush" : "";
    onProgress(`partition ${file.partition} at ${utcText(second)}: ${replay.records} changes${flush}, from "${node}"`);
  }
  return found;
}

/** A damaged part may be in the archive of another node, too. */
async function withHint<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
    const hint = "move the file away to look for a way through the archive of another node";
    throw new FlareError("CORRUPT", `${error.message}; ${hint}`, { cause: error });
  }
}

function finderOf(index: ArchiveIndex, { partitioning: { partitions } }: BackupManifest, file: BackupFile): RouteFinder {
  const { partition, history, sequence, momentMs } = file;
  return new RouteFinder(index, { partition, partitions, history, sequence, momentMs });
}
