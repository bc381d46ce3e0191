/** Opens the storage of a node as configured, and logs the progress of a long recovery. */

import { type FieldsOf, integerField } from "../base/given_fields.ts";
import { pickOptions } from "../base/option_schema.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type EngineChoice, engineOfType, isDurable } from "../storage/engine/engine_choice.ts";
import { Storage } from "../storage/storage.ts";
import { type StorageProgress, storageOptionTable, storagePartFields } from "../storage/storage_options.ts";
import type { NodeSettings } from "./node_options.ts";

const PROGRESS_MS = 1000;

/** What only a program can pass, besides the options. */
export interface NodeServerParts {
  /** An abstract-level database instead of the engine of `storageType`; the caller closes it. */
  readonly engine?: EngineChoice;
  /** Called from time to time while the storage opens; default: a line in the log about once a second. */
  readonly onProgress?: (progress: StorageProgress) => void;
  /** Servers in this process, including this one: they share its limit of open files. Default 1. */
  readonly serversInProcess?: number;
}

export const nodeServerPartFields: FieldsOf<NodeServerParts> = {
  engine: storagePartFields.engine,
  onProgress: storagePartFields.onProgress,
  serversInProcess: integerField(1),
};

/** @throws FlareError INVALID_OPTION | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR */
export async function openStorage(runtime: Runtime, options: NodeSettings, parts: NodeServerParts): Promise<Storage> {
  const engine = engineOfType(options.storageType);
  const keepsNothing = options.dataDir === "" || (parts.engine === undefined && !isDurable(engine));
  const storage = await Storage.open(runtime, {
    ...pickOptions(storageOptionTable, options),
    ...(keepsNothing ? {} : { dataDir: options.dataDir }),
    engine: parts.engine ?? engine,
    onProgress: parts.onProgress ?? progressLog(runtime),
  });
  // The first checkpoint must not remove what is not archived yet.
  if (options.logArchive !== "") storage.holdLog({ sequence: 0, bytesMax: options.logArchiveBacklogBytes });
  return storage;
}

function progressLog({ clock, log }: Runtime): (progress: StorageProgress) => void {
  let nextMs = clock.monotonicMs() + PROGRESS_MS;
  return ({ phase, bytesDone, bytesTotal, records }) => {
    if (clock.monotonicMs() < nextMs) return;
    nextMs = clock.monotonicMs() + PROGRESS_MS;
    log.write("notice", `opening the storage: ${phase}, ${bytesDone} of ${bytesTotal} bytes, ${records} records`);
  };
}
