/**
 * The options of a storage, each with its bounds and its default. `flared` has them in its table as they are here.
 */

import { type FieldsOf, functionField, stringField } from "../base/given_fields.ts";
import {
  choiceOption,
  completeOptions,
  int32Max,
  integerOption,
  type OptionTable,
  type OptionValues,
} from "../base/option_schema.ts";
import { DATA_BYTES_MAX } from "../protocol/text/data_block.ts";
import { CACHE_BYTES_MAX, CACHE_BYTES_MIN } from "./arena/entry_cache.ts";
import { aliasText, type EngineChoice, engineField, storageTypes } from "./engine/engine_choice.ts";

/** When changes are synced to disk: before the answer, at intervals, or when the operating system does. */
export const FsyncPolicy = { always: "always", interval: "interval", os: "os" } as const;
export type FsyncPolicy = (typeof FsyncPolicy)[keyof typeof FsyncPolicy];

const MIB = 1048576;

/** `storage-type`, from which `flared` chooses the engine. */
export const storageTypeOption = choiceOption({
  name: "storage-type",
  default: "level",
  choices: storageTypes,
  since: "0.9.8",
  help: `the storage engine; ${aliasText}`,
});

/** The options that an operator may set. */
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
    help: "memory for entries; one entry may take half of it",
  }),
  keyBytesMax: integerOption({
    name: "key-bytes-max",
    default: 8191,
    min: 250,
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
    help: "when written data is forced to the disk: before the answer, regularly, or when the system does it",
  }),
  fsyncIntervalMs: integerOption({
    name: "fsync-interval",
    default: 1000,
    min: 1,
    max: 3600000,
    unit: "ms",
    since: "2.0.0",
    help: "how often, with fsync = interval",
  }),
  checkpointIntervalMs: integerOption({
    name: "checkpoint-interval",
    default: 60,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    help: "how often changed entries move from the change log into the engine",
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
    help: "size of one file of the change log",
  }),
  tombstoneRetentionSeconds: integerOption({
    name: "tombstone-retention",
    default: 86400,
    min: 0,
    max: int32Max,
    unit: "s",
    since: "2.0.0",
    help: "how long a deletion is remembered",
  }),
} satisfies OptionTable;

/** What only a program can set: `flared` leaves these at their defaults. */
const paceTable = {
  sweepIntervalMs: integerOption({
    name: "sweep-interval",
    default: 1000,
    min: 1,
    max: 86400000,
    unit: "ms",
    since: "2.0.0",
    help: "pause between two slices of the search for what has expired",
  }),
  roomWaitMs: integerOption({
    name: "room-wait",
    default: 10000,
    min: 0,
    max: 3600000,
    unit: "ms",
    since: "2.0.0",
    help: "how long a write waits for room while the engine is behind, before it fails (on a full disk at once)",
  }),
} satisfies OptionTable;

const storageTable = { ...storageOptionTable, ...paceTable };

/** Complete settings. */
export type StorageSettings = OptionValues<typeof storageTable>;

/** The progress of opening a storage. */
export interface StorageProgress {
  readonly phase: "recover" | "open";
  /** Bytes of the change log read, and in total. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Changes replayed so far. */
  readonly records: number;
}

/** What a storage is opened with beside its settings. */
export interface StorageParts {
  /** The directory for all data; absent = nothing on disk (the engine is in memory, there is no change log). */
  readonly dataDir?: string;
  /** A built-in engine (default `level` with a `dataDir`, else `memory`), or a database of the caller, who closes it. */
  readonly engine?: EngineChoice;
  /** Called from time to time while the storage opens. */
  readonly onProgress?: (progress: StorageProgress) => void;
}

/** The settings of a storage; all have defaults. */
export interface StorageOptions extends Partial<StorageSettings>, StorageParts {}

/** What a program may give beside the settings. */
export const storagePartFields: FieldsOf<StorageParts> = {
  dataDir: stringField,
  engine: engineField,
  onProgress: functionField,
};

/** Checks what is given and fills in the defaults. @throws FlareError INVALID_OPTION */
export function resolveStorageOptions(options: StorageOptions): StorageSettings {
  return completeOptions(storageTable, options, storagePartFields);
}
