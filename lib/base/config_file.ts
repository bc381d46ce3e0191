/**
 * The config file of both daemons: `name = value` lines. A `#` starts a comment anywhere; spaces around the name and the value
 * are ignored; there are no quotes, escapes or sections. Knows only the format: the caller knows the names and the meaning of
 * their values.
 */

import { FlareError } from "./errors.ts";

/** One `name = value` line; `line` counts from 1. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

/**
 * The entries of a config file in order; `path` is only for messages.
 * @throws FlareError INVALID_OPTION for a line without `=` or without a name, a section, or a repeated name
 */
export function parseConfigFile(text: string, path: string): readonly ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  const lineOfName = new Map<string, number>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    const comment = raw.indexOf("#");
    const content = (comment < 0 ? raw : raw.slice(0, comment)).trim();
    if (content === "") continue;
    const equals = content.indexOf("=");
    if (equals < 1) {
      throw new FlareError("INVALID_OPTION", `config file "${path}" line ${line}: "${content}" is not "name = value"`);
    }
    const name = content.slice(0, equals).trimEnd();
    const first = lineOfName.get(name);
    if (first !== undefined) {
      throw new FlareError("INVALID_OPTION", `config file "${path}" line ${line}: "${name}" is already in line ${first}`);
    }
    lineOfName.set(name, line);
    entries.push({ name, value: content.slice(equals + 1).trimStart(), line });
  }
  return entries;
}

/** Whether a value survives a round trip through `parseConfigFile`. */
export function fitsConfigFile(value: string): boolean {
  return !value.includes("#") && !value.includes("\n") && value.trim() === value;
}
