/** The options of a storage with their bounds and defaults. `flared` includes them in its table. */

import { KIB, MIB } from "../base/byte_units.ts";
import { type FieldsOf, functionField, stringField } from "../base/given_fields.ts";
import { INT32_MAX } from "../base/number_bounds.ts";
import { choiceOption, completeOptions, integerOption, type OptionTable, type OptionValues } from "../base/option_schema.ts";
import { MEMCACHED_KEY_BYTES_MAX } from "../item/key_length.ts";
import { DATA_BYTES_MAX } from "../protocol/text/data_block.ts";
import { CACHE_BYTES_MAX, CACHE_BYTES_MIN } from "./arena/entry_cache.ts";
import { aliasText, type EngineChoice, engineField, storageTypes } from "./engine/engine_choice.ts";

/** When changes are synced to disk: before the answer, at intervals, or when the operating system does. */
export const FsyncPolicy = { always: "always", interval: "interval", os: "os" } as const;
export type FsyncPolicy = (typeof FsyncPolicy)[keyof typeof FsyncPolicy];

/** `storage-type`, from which `flared` chooses the engine. */
export const storageTypeOption = choiceOption({
  name: "storage-type",
  default: "level",
  choices: storageTypes,
  since: "0.9.8",
  help: `the storage engine; ${aliasText}`,
});

/** The options that an operator can set. */
export const storageOptionTable = {
  memoryBytesMax: integerOption({
    name: "memory-limit",
    default: 256,
    min: 1,
    max: CACHE_BYTES_MAX / MIB,
    unit: "MiB",
    scale: MIB,
    valueMin: CACHE_BYTES_MIN,
    since: "2.0.0",
    reloadable: true,
    help: "memory for entries; one entry can use at most half of it",
  }),
  keyBytesMax: integerOption({
    name: "key-bytes-max",
    default: 8191,
    min: MEMCACHED_KEY_BYTES_MAX,
    // The arena keeps the lengths of a key and of the head of its reply in 16 bits each.
    max: 32767,
    unit: "bytes",
    since: "2.0.0",
    help: "longest key",
  }),
  valueBytesMax: integerOption({
    name: "value-bytes-max",
    default: DATA_BYTES_MAX,
    min: 1,
    max: DATA_BYTES_MAX,
    unit: "bytes",
    since: "2.0.0",
    help: "longest value",
  }),
  fsync: choiceOption({
    name: "fsync",
    default: "interval",
    choices: Object.values(FsyncPolicy),
    since: "2.0.0",
    help: "when written data is synced to disk: before the answer, at intervals, or when the system does it",
  }),
  fsyncIntervalMs: integerOption({
    name: "fsync-interval",
    default: 1000,
    min: 1,
    max: 3600000,
    unit: "ms",
    since: "2.0.0",
    help: "the interval of fsync = interval",
  }),
  checkpointIntervalMs: integerOption({
    name: "checkpoint-interval",
    default: 60,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    help: "how often changed entries are written from the change log to the engine",
  }),
  logSegmentBytes: integerOption({
    name: "log-segment-size",
    default: 128,
    min: 1,
    max: 1024,
    unit: "MiB",
    scale: MIB,
    valueMin: 4096,
    since: "2.0.0",
    help: "size of a file of the change log",
  }),
  logRetentionBytes: integerOption({
    name: "log-retention",
    default: 256,
    min: 0,
    max: 1024 * KIB,
    unit: "MiB",
    scale: MIB,
    valueMin: 0,
    since: "2.0.0",
    help: "how much of the change log is kept for replicas that were away, beyond what a restart needs",
  }),
  tombstoneRetentionSeconds: integerOption({
    name: "tombstone-retention",
    default: 86400,
    min: 0,
    max: INT32_MAX,
    unit: "s",
    since: "2.0.0",
    help: "how long a deletion is remembered",
  }),
} satisfies OptionTable;

/** Options only for programs: `flared` uses their defaults. */
const paceTable = {
  sweepIntervalMs: integerOption({
    name: "sweep-interval",
    default: 1000,
    min: 1,
    max: 86400000,
    unit: "ms",
    since: "2.0.0",
    help: "pause between two slices of the sweep for expired items",
  }),
  roomWaitMs: integerOption({
    name: "room-wait",
    default: 10000,
    min: 0,
    max: 3600000,
    unit: "ms",
    since: "2.0.0",
    help: "how long a write waits for room while the engine is behind before it fails (at once on a full disk)",
  }),
} satisfies OptionTable;

const storageTable = { ...storageOptionTable, ...paceTable };

/** Complete settings. */
export type StorageSettings = OptionValues<typeof storageTable>;

/** The progress of opening a storage. */
export interface StorageProgress {
  /** `recover` reads the change log, `open` the engine. */
  readonly phase: "recover" | "open";
  /** Bytes of the change log read, and in total. */
  readonly bytesDone: number;
  /** Bytes of the change log in total. */
  readonly bytesTotal: number;
  /** Changes replayed so far. */
  readonly records: number;
}

/** What a storage needs besides its settings. */
export interface StorageParts {
  /** The directory for all data; absent = nothing on disk (the engine is in memory, there is no change log). */
  readonly dataDir?: string;
  /**
   * A built-in engine (default `level` with a `dataDir`, else `memory`), or the caller's own database, which the caller closes.
   */
  readonly engine?: EngineChoice;
  /** Called from time to time while the storage opens. */
  readonly onProgress?: (progress: StorageProgress) => void;
}

/** The settings of a storage; all have defaults. */
export interface StorageOptions extends Partial<StorageSettings>, StorageParts {}

/** The fields a program may pass besides the settings. */
export const storagePartFields: FieldsOf<StorageParts> = {
  dataDir: stringField,
  engine: engineField,
  onProgress: functionField,
};

/** Checks the options and fills in the defaults. @throws FlareError INVALID_OPTION */
export function resolveStorageOptions(options: StorageOptions): StorageSettings {
  return completeOptions(storageTable, options, storagePartFields);
}
