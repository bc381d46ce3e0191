/**
 * Takes a backup of a whole cluster: a snapshot of each partition, from its master, several at a time. What a partition's
 * snapshot is, its node decides; the snapshots of different partitions are of different moments. A backup that was interrupted
 * goes on with the partitions that it does not have. Knows no files: a store keeps what it writes.
 */

import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import { VERSION } from "../../base/version.ts";
import { type SnapshotEnd, snapshotRecords } from "../../client/dump.ts";
import { buildPartitionMap } from "../../cluster/partition_map.ts";
import type { ClusterAdmin } from "../cluster_admin.ts";
import { DumpTally } from "../dump_end_line.ts";
import { encodeEndLine, encodeRecords } from "../dump_format.ts";
import { addressOf } from "../node_targets.ts";
import { isUnreachable } from "../unreachable.ts";
import { type BackupFile, type BackupManifest, draftRefusal } from "./manifest.ts";

/** Partitions read at a time. */
const AT_A_TIME = 4;
/** After about this many bytes there is an end line, so that damage is found where it is. */
const SECTION_BYTES = 1 << 16;
/** How often a partition is tried whose master is away or changes, and the pause in between. */
const ATTEMPTS_MAX = 30;
const PAUSE_MS = 2000;
/** The answer to a command that a node does not know. */
const UNKNOWN = "ERROR";

/** Where a backup is kept. */
export interface BackupStore {
  /** What an interrupted backup has left, if it is all there. @throws FlareError REFUSED if there is a complete backup */
  draft(): Promise<BackupManifest | undefined>;
  saveDraft(draft: BackupManifest): Promise<void>;
  /** Writes a file, which has its name only when `work` is done and everything is on disk; resolves to what is in it. */
  write(
    name: string,
    work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<Pick<BackupFile, "bytes" | "sha256">>;
  /** The backup is complete: replaces the draft by the manifest. */
  complete(manifest: BackupManifest): Promise<void>;
}

/** How a backup is taken. */
export interface BackupOptions {
  /** Of each node; 0 = no limit. */
  readonly bytesPerSecond: number;
  /** Called for each batch of records, with their number. */
  readonly onRecords: (count: number) => void;
  readonly onProgress: (line: string) => void;
}

/**
 * Takes a backup, or goes on with one.
 * @throws FlareError REFUSED (there is one, the cluster changes, or cannot be read); what is complete stays
 */
export async function takeBackup(admin: ClusterAdmin, store: BackupStore, options: BackupOptions): Promise<BackupManifest> {
  const empty = await describeCluster(admin);
  const draft = await store.draft();
  const refusal = draft === undefined ? undefined : draftRefusal(draft, empty);
  if (refusal !== undefined)
    throw new FlareError("REFUSED", `the interrupted backup cannot go on: ${refusal}; use another directory`);
  let manifest = draft ?? empty;
  if (draft !== undefined)
    options.onProgress(`going on with an interrupted backup, which has ${draft.files.length} partition(s)`);
  else await store.saveDraft(manifest);
  const has = new Set(manifest.files.map(({ partition }) => partition));
  const missing = Array.from({ length: empty.partitioning.partitions }, (_, i) => i).filter((partition) => !has.has(partition));
  let fault: unknown;
  const work = async (): Promise<void> => {
    for (let partition = missing.shift(); partition !== undefined && fault === undefined; partition = missing.shift()) {
      const file = await patiently(admin, options, () => takePartition(admin, store, partition as number, empty, options));
      manifest = { ...manifest, files: [...manifest.files, file].sort((left, right) => left.partition - right.partition) };
      await store.saveDraft(manifest);
      options.onProgress(`partition ${partition}: ${file.items} items and ${file.deletions} deletions from "${file.node}"`);
    }
  };
  const workers = Array.from({ length: AT_A_TIME }, () =>
    work().catch((error: unknown) => {
      fault ??= error;
    }),
  );
  await Promise.all(workers);
  if (fault !== undefined) throw fault;
  // A key that moved to a new partition meanwhile may be in no file.
  const refusalNow = draftRefusal(manifest, await patiently(admin, options, () => describeCluster(admin)));
  if (refusalNow !== undefined) throw grown(refusalNow);
  const complete = { ...manifest, endedMs: admin.runtime.clock.nowMs() };
  await store.complete(complete);
  return complete;
}

/** A manifest without files. @throws FlareError */
async function describeCluster(admin: ClusterAdmin): Promise<BackupManifest> {
  const [{ map, partitionCountMax }, meta] = await Promise.all([admin.view(), admin.meta()]);
  const { partitionSize, hint, virtual, keyHashAlgorithm } = meta;
  const { active } = buildPartitionMap(map, partitionCountMax);
  if (active.length === 0) throw new FlareError("REFUSED", "the cluster has no partition yet");
  return {
    version: VERSION,
    indexServer: admin.index.server,
    mapVersion: String(map.version),
    partitioning: { partitions: active.length, partitionSize, hint, virtual, keyHashAlgorithm },
    begunMs: admin.runtime.clock.nowMs(),
    files: [],
  };
}

async function takePartition(
  admin: ClusterAdmin,
  store: BackupStore,
  partition: number,
  { partitioning: { partitions } }: BackupManifest,
  { bytesPerSecond, onRecords }: BackupOptions,
): Promise<BackupFile> {
  const { map, partitionCountMax } = await admin.view();
  const { active } = buildPartitionMap(map, partitionCountMax);
  if (active.length !== partitions) throw grown(`it had ${partitions} partitions, now ${active.length}`);
  const master = active[partition]?.master;
  if (master === undefined) {
    throw new FlareError("REFUSED", `partition ${partition} has no master that is up`, { retriable: true });
  }
  await requireSnapshots(admin, master.key);
  const begunMs = admin.runtime.clock.nowMs();
  const part = { partition, partitions, bytesPerSecond };
  const name = `partition-${partition}.dump`;
  let end: SnapshotEnd = { history: "", sequence: 0, momentMs: 0, items: 0, tombstones: 0 };
  const written = await store.write(name, async (write) => {
    let section = new DumpTally();
    const reading = snapshotRecords(admin.runtime, addressOf(master.key), part, admin.connection);
    try {
      let batch = await reading.next();
      for (; batch.done !== true; batch = await reading.next()) {
        const bytes = encodeRecords(batch.value);
        await write(bytes);
        section.add(batch.value.length, bytes);
        onRecords(batch.value.length);
        if (section.bytes < SECTION_BYTES) continue;
        await write(encodeEndLine(section));
        section = new DumpTally();
      }
      await write(encodeEndLine(section));
      end = batch.value;
    } finally {
      await reading.return(end);
    }
  });
  const { items, tombstones: deletions, ...moment } = end;
  const endedMs = admin.runtime.clock.nowMs();
  return { partition, name, node: master.key, ...moment, begunMs, endedMs, items, deletions, ...written };
}

function grown(how: string): FlareError {
  return new FlareError("REFUSED", `the cluster has grown during its backup, ${how}: begin one in another directory`);
}

/** Repeats what fails because something changes, or is away for a while; says each reason once in a row. */
async function patiently<T>(admin: ClusterAdmin, { onProgress }: BackupOptions, work: () => Promise<T>): Promise<T> {
  let said: string | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const passes = isUnreachable(error) || (error instanceof FlareError && error.retriable);
      if (!passes || attempt === ATTEMPTS_MAX) throw error;
      const { message } = error as FlareError;
      if (message !== said) onProgress(`${message}; trying again up to ${ATTEMPTS_MAX} times`);
      said = message;
    }
    await sleep(admin.runtime.clock, PAUSE_MS, true);
  }
}

/** Without arguments the command does nothing. @throws FlareError UNSUPPORTED */
async function requireSnapshots(admin: ClusterAdmin, node: string): Promise<void> {
  if ((await admin.client(node).line("node snapshot")) !== UNKNOWN) return;
  const text = `"${node}" does not know snapshots, it is a C++ node or an older one: dump it with "flare dump"`;
  throw new FlareError("UNSUPPORTED", text);
}
