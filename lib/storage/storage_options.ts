/**
 * The settings of a storage, their defaults and their bounds.
 */

import { FlareError } from "../base/errors.ts";
import { CACHE_BYTES_MAX, CACHE_BYTES_MIN } from "./arena/entry_cache.ts";
import type { EngineDatabase } from "./engine/engine.ts";

/** When a change counts as durable: synced before it is answered, synced regularly, or left to the operating system. */
export const FsyncPolicy = { always: "always", interval: "interval", os: "os" } as const;
export type FsyncPolicy = (typeof FsyncPolicy)[keyof typeof FsyncPolicy];

/** How far the opening of a storage has come. */
export interface StorageProgress {
  readonly phase: "recover" | "open";
  /** Bytes of the change log read, of how many. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Changes found in them. */
  readonly records: number;
}

/** How a storage is to work; every setting has a default. */
export interface StorageOptions {
  /** Where everything is kept; absent = nothing on disk (the engine is in memory, there is no change log). */
  readonly dataDir?: string;
  /** `level` (default with a `dataDir`), `memory`, or a database of the caller, who keeps and closes it. */
  readonly engine?: "level" | "memory" | EngineDatabase;
  /** Memory for items, 64 KiB … 8 GiB, default 256 MiB. An item may take half of it at most. */
  readonly memoryBytesMax?: number;
  /** Default `interval`. */
  readonly fsync?: FsyncPolicy;
  /** With `interval`: how long an answered change may be unsynced, default 1000. */
  readonly fsyncIntervalMs?: number;
  /** A log segment is closed at this size, default 128 MiB. */
  readonly logSegmentBytes?: number;
  /** How long a change may be in the log only, default 60000. */
  readonly checkpointIntervalMs?: number;
  /** How long the version of a deleted item is remembered, default 86400. */
  readonly tombstoneRetentionSeconds?: number;
  /** Between two slices of the search for what has expired, default 1000. */
  readonly sweepIntervalMs?: number;
  /** Longest key, 1 … 32767, default 8191. */
  readonly keyBytesMax?: number;
  /** Longest value, default 2147483645. */
  readonly valueBytesMax?: number;
  /** How long a write waits for room while the engine is behind, before it fails (on a full disk at once); default 10000. */
  readonly roomWaitMs?: number;
  /** Told now and then while the storage opens. */
  readonly onProgress?: (progress: StorageProgress) => void;
}

/** The same with all defaults filled in. */
export type StorageSettings = Required<Omit<StorageOptions, "dataDir" | "engine" | "onProgress">>;

const BOUNDS: { readonly [name in keyof StorageSettings]: readonly [preset: number, min: number, max: number] | undefined } = {
  memoryBytesMax: [256 * 1024 * 1024, CACHE_BYTES_MIN, CACHE_BYTES_MAX],
  fsync: undefined,
  fsyncIntervalMs: [1000, 1, 3600000],
  logSegmentBytes: [128 * 1024 * 1024, 4096, 2 ** 30],
  checkpointIntervalMs: [60000, 1, 86400000],
  tombstoneRetentionSeconds: [86400, 0, 2 ** 31],
  sweepIntervalMs: [1000, 1, 86400000],
  keyBytesMax: [8191, 1, 32767],
  valueBytesMax: [2147483645, 0, 2147483645],
  roomWaitMs: [10000, 0, 3600000],
};

/** Checks the numbers and fills in the defaults. @throws FlareError INVALID_OPTION */
export function resolveStorageOptions(options: StorageOptions): StorageSettings {
  const fsync = options.fsync ?? FsyncPolicy.interval;
  if (!Object.values(FsyncPolicy).includes(fsync)) {
    throw new FlareError("INVALID_OPTION", `fsync is "always", "interval" or "os", not "${String(fsync)}"`);
  }
  const number = (name: Exclude<keyof StorageSettings, "fsync">): number => {
    const [preset, min, max] = BOUNDS[name] as readonly [number, number, number];
    const value = options[name] ?? preset;
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new FlareError("INVALID_OPTION", `${name} is a whole number from ${min} to ${max}, not "${String(value)}"`);
    }
    return value;
  };
  return {
    fsync,
    memoryBytesMax: number("memoryBytesMax"),
    fsyncIntervalMs: number("fsyncIntervalMs"),
    logSegmentBytes: number("logSegmentBytes"),
    checkpointIntervalMs: number("checkpointIntervalMs"),
    tombstoneRetentionSeconds: number("tombstoneRetentionSeconds"),
    sweepIntervalMs: number("sweepIntervalMs"),
    keyBytesMax: number("keyBytesMax"),
    valueBytesMax: number("valueBytesMax"),
    roomWaitMs: number("roomWaitMs"),
  };
}
