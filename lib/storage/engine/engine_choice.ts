/**
 * Which engine a storage gets: a built-in one by its name, or the caller's database. A built-in engine is a row here and its
 * own file.
 */

import { FlareError } from "../../base/errors.ts";
import { type Field, field } from "../../base/given_fields.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { DataDirectory } from "../directory/data_directory.ts";
import { Engine, type EngineDatabase } from "./engine.ts";

/** A built-in engine; its file is loaded on demand. */
type BuiltInEngine =
  | {
      /** It stores its data in the given directory. */
      readonly durable: true;
      /** Names of the original's engines that select this one. */
      readonly aliases: readonly string[];
      open(runtime: Runtime, directory: DataDirectory): Promise<Engine>;
    }
  | {
      readonly durable: false;
      readonly aliases: readonly string[];
      open(): Promise<Engine>;
    };

/** A built-in engine's name. */
export type EngineName = "level" | "memory";

/** The built-in engines by name. */
const builtInEngines = {
  level: {
    durable: true,
    aliases: ["tch", "tcb", "kch"],
    open: async (runtime, directory) => (await import("./level_engine.ts")).openLevelEngine(runtime, directory),
  },
  memory: {
    durable: false,
    aliases: [],
    open: async () => (await import("./memory_engine.ts")).openMemoryEngine(),
  },
} as const satisfies Readonly<Record<EngineName, BuiltInEngine>>;

/** The values of `storage-type`: names of engines, and of the original's engines. */
export type StorageType = EngineName | (typeof builtInEngines)[EngineName]["aliases"][number];

/** An engine as a program passes it. */
export type EngineChoice = EngineName | EngineDatabase;

/** The defaults with and without a data directory. */
const DURABLE_DEFAULT = "level" satisfies EngineName;
const PASSING_DEFAULT = "memory" satisfies EngineName;

export const engineNames = Object.keys(builtInEngines) as readonly EngineName[];
const engineAliases = Object.values(builtInEngines).flatMap(({ aliases }) => aliases);
export const storageTypes: readonly StorageType[] = [...engineNames, ...engineAliases];

/** Which names select which engine, for the help. */
export const aliasText = Object.entries<BuiltInEngine>(builtInEngines)
  .filter(([, { aliases }]) => aliases.length > 0)
  .map(([name, { aliases }]) => `${aliases.join(", ")} select ${name}`)
  .join("; ");

/** The engine of a `storage-type`. */
export function engineOfType(type: StorageType): EngineName {
  return engineNames.find((name) => name === type || hasAlias(builtInEngines[name], type)) ?? DURABLE_DEFAULT;
}

function hasAlias({ aliases }: BuiltInEngine, type: StorageType): boolean {
  return aliases.includes(type);
}

/** Whether an engine needs a data directory; a caller's database does not care. */
export function isDurable(engine: EngineName): boolean {
  return builtInEngines[engine].durable;
}

/** The methods of a database that the engine needs. */
const databaseMethods = ["open", "close", "get", "batch", "iterator", "clear"];

/** An engine, in an object that a program gives. */
export const engineField: Field = field(
  `${engineNames.map((name) => `"${name}"`).join(", ")} or an abstract-level database`,
  isEngineChoice,
);

function isEngineChoice(value: unknown): boolean {
  if (typeof value === "string") return engineNames.some((name) => name === value);
  if (typeof value !== "object" || value === null) return false;
  const database = value as Readonly<Record<string, unknown>>;
  return databaseMethods.every((method) => typeof database[method] === "function");
}

/** Rejects engines that contradict the data directory. @throws FlareError INVALID_OPTION */
export function checkEngineChoice(engine: EngineChoice | undefined, dataDir: string | undefined): void {
  if (typeof engine !== "string") return;
  if (dataDir === undefined && isDurable(engine)) throw needsDirectory(engine);
  if (dataDir !== undefined && !isDurable(engine)) {
    throw new FlareError("INVALID_OPTION", `engine "${engine}" keeps nothing in a data directory`);
  }
}

function needsDirectory(engine: EngineName): FlareError {
  return new FlareError("INVALID_OPTION", `engine "${engine}" needs a data directory`);
}

/** Opens the engine. @throws FlareError INVALID_OPTION | CORRUPT | IO_ERROR */
export async function openEngine(
  runtime: Runtime,
  engine: EngineChoice | undefined,
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
  const name = engine ?? (directory === undefined ? PASSING_DEFAULT : DURABLE_DEFAULT);
  const chosen: BuiltInEngine = builtInEngines[name];
  if (!chosen.durable) return chosen.open();
  if (directory === undefined) throw needsDirectory(name);
  return chosen.open(runtime, directory);
}
