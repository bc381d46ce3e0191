/** Opens the storage of a node as configured, and logs the progress of a long recovery. */

import { type FieldsOf, integerField } from "../base/given_fields.ts";
import { pickOptions } from "../base/option_schema.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { engineOfType, isDurable } from "../storage/engine/engine_choice.ts";
import { Storage, type StorageOptions } from "../storage/storage.ts";
import { storageOptionTable, storagePartFields } from "../storage/storage_options.ts";
import type { NodeSettings } from "./node_options.ts";

const PROGRESS_MS = 1000;

/** What only a program can pass, besides the options. */
export interface NodeServerParts {
  /** An abstract-level database instead of the engine of `storage-type`. */
  readonly engine?: StorageOptions["engine"];
  readonly onProgress?: StorageOptions["onProgress"];
  /** Servers in this process, including this one: they share its limit of open files. Default 1. */
  readonly serversInProcess?: number;
}

export const nodeServerPartFields: FieldsOf<NodeServerParts> = {
  engine: storagePartFields.engine,
  onProgress: storagePartFields.onProgress,
  serversInProcess: integerField(1),
};

/** @throws FlareError INVALID_OPTION | DATA_DIR_LOCKED | UNSUPPORTED | CORRUPT | DISK_FULL | IO_ERROR */
export function openStorage(runtime: Runtime, options: NodeSettings, parts: NodeServerParts): Promise<Storage> {
  const engine = engineOfType(options.storageType);
  const keepsNothing = options.dataDir === "" || (parts.engine === undefined && !isDurable(engine));
  return Storage.open(runtime, {
    ...pickOptions(storageOptionTable, options),
    ...(keepsNothing ? {} : { dataDir: options.dataDir }),
    engine: parts.engine ?? engine,
    onProgress: parts.onProgress ?? progressLog(runtime),
  });
}

function progressLog({ clock, log }: Runtime): NonNullable<StorageOptions["onProgress"]> {
  let nextMs = clock.monotonicMs() + PROGRESS_MS;
  return ({ phase, bytesDone, bytesTotal, records }) => {
    if (clock.monotonicMs() < nextMs) return;
    nextMs = clock.monotonicMs() + PROGRESS_MS;
    log.write("notice", `opening the storage: ${phase}, ${bytesDone} of ${bytesTotal} bytes, ${records} records`);
  };
}
