/**
 * Which engine a storage gets: the caller's database, LevelDB where there is a data directory, else memory.
 */

import { FlareError } from "../../base/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { DataDirectory } from "../directory/data_directory.ts";
import type { StorageOptions } from "../storage_options.ts";
import { Engine } from "./engine.ts";

/** The methods of a database that the engine cannot do without. */
const databaseMethods = ["open", "close", "get", "batch", "iterator", "clear"];

/** Whether a program may give this as an engine. */
export function isEngineChoice(value: unknown): boolean {
  if (value === "level" || value === "memory") return true;
  if (typeof value !== "object" || value === null) return false;
  const database = value as Readonly<Record<string, unknown>>;
  return databaseMethods.every((method) => typeof database[method] === "function");
}

/** Refuses engines that contradict the data directory. @throws FlareError INVALID_OPTION */
export function checkEngineChoice({ dataDir, engine }: StorageOptions): void {
  if (dataDir === undefined && engine === "level") {
    throw new FlareError("INVALID_OPTION", 'engine "level" needs a data directory');
  }
  if (dataDir !== undefined && engine === "memory") {
    throw new FlareError("INVALID_OPTION", 'engine "memory" keeps nothing in a data directory');
  }
}

/** Opens the engine; only the modules of the one that is chosen are loaded. @throws FlareError CORRUPT | IO_ERROR */
export async function openEngine(
  runtime: Runtime,
  engine: StorageOptions["engine"],
  directory: DataDirectory | undefined,
): Promise<Engine> {
  if (typeof engine === "object") {
    return Engine.open(engine, {
      name: "custom",
      durable: directory !== undefined,
      copiesWrites: false,
      viewsByDefault: false,
      owned: false,
    });
  }
  if (directory === undefined) {
    const { openMemoryEngine } = await import("./memory_engine.ts");
    return openMemoryEngine();
  }
  await directory.checkLevel();
  const { openLevelEngine } = await import("./level_engine.ts");
  return openLevelEngine(runtime, directory.enginePath);
}
