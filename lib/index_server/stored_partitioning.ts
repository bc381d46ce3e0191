/**
 * What is stored beside the node map about partitioning: it overrides the options, as in the original, so that all index
 * servers of a cluster say the same. Pure.
 */

import { FlareError } from "../base/errors.ts";
import { type IndexSettings, indexServerTable } from "./index_options.ts";

/** The options that can be stored, by their names. */
const FIELDS = {
  "partition-size": "partitionSize",
  "partition-modular-hint": "partitionModularHint",
  "partition-modular-virtual": "partitionModularVirtual",
  "key-hash-algorithm": "keyHashAlgorithm",
} as const;
/** The original's name of the way in which keys are distributed, which is the only one. */
const TYPE = "partition-type";
const MODULAR = "modular";

/** The names under which something can be stored. */
export const PARTITIONING_NAMES: readonly string[] = [...Object.keys(FIELDS), TYPE];

/** The settings that are about partitioning. */
export type Partitioning = Pick<IndexSettings, (typeof FIELDS)[keyof typeof FIELDS]>;

/**
 * The settings with what is stored.
 * @param stored texts by the names of options; an empty one is none
 * @throws FlareError INVALID_OPTION naming the option and the stored text
 */
export function withStored(settings: Partitioning, stored: ReadonlyMap<string, string>): Partitioning {
  const merged: Record<string, unknown> = { ...settings };
  const refuse = (name: string, text: string, allowed: string): never => {
    throw new FlareError("INVALID_OPTION", `"${name}", stored beside the node map: "${text}" is not ${allowed}`);
  };
  const type = stored.get(TYPE) || MODULAR;
  if (type !== MODULAR) refuse(TYPE, type, `"${MODULAR}"`);
  for (const [name, field] of Object.entries(FIELDS)) {
    const text = stored.get(name) ?? "";
    const { parse, allowed } = indexServerTable[field];
    if (text !== "") merged[field] = parse(text) ?? refuse(name, text, allowed);
  }
  return merged as unknown as Partitioning;
}

/** Which of the settings were overridden, as lines for the log. */
export function overridingLines(settings: Partitioning, merged: Partitioning): string[] {
  return Object.entries(FIELDS)
    .filter(([, field]) => settings[field] !== merged[field])
    .map(
      ([name, field]) =>
        `"${name}" is ${merged[field]}, stored beside the node map: the option's ${settings[field]} is not used`,
    );
}
