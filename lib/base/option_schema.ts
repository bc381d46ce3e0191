/**
 * The schema of an option: its name on the command line and in files, how to parse and format its value, what is allowed. A
 * daemon declares one table of these; parsing, defaults, `--help`, `--print-config` and the TypeScript type of its settings all
 * derive from that table. Pure; knows no particular option.
 */

import { FlareError } from "./errors.ts";
import { checkFields, type Field, type Fields } from "./given_fields.ts";
import { formatHostPort, type HostPort, PORT_MAX, parseHost, parseHostPort } from "./host_port.ts";

/** One option whose value in code is a `V`. */
export interface Option<V> extends OptionDescription, Field {
  /** The value if none is given. */
  readonly default: V;
  /** The allowed texts, for messages: `an integer from 1 to 65535`. */
  readonly allowed: string;
  /** The placeholder of the value in `--help`. */
  readonly placeholder: string;
  /** The TypeScript type of the value in code. */
  readonly type: string;
  /** The unit of the number in code, which may be finer than in the text. */
  readonly valueUnit?: string;
  /** True if the name alone means `true`. */
  readonly bare: boolean;
  /** Parses a text as in a file; undefined if it is not allowed. */
  parse(text: string): V | undefined;
  /** The text that `parse` converts to this value. */
  format(value: V): string;
  /** The canonical form of a value; absent if every value has only one form. */
  canonical?(value: V): V;
}

/** The part of an option that only describes it. */
export interface OptionDescription {
  /** The name in files and flags: `server-port`. */
  readonly name: string;
  /** What it does, one line. */
  readonly help: string;
  /** The first release of Flare with it. */
  readonly since: string;
  /** The letter of its short flag. */
  readonly short?: string;
  /** SIGHUP applies changes in the config file without a restart. */
  readonly reloadable?: boolean;
  /** Why it has no effect, if it is only accepted and shown. */
  readonly withoutEffect?: string;
  /** Its name in `show variables`, if that is not `name` with underscores. */
  readonly variable?: string;
  /** Not allowed in a config file. */
  readonly commandLineOnly?: boolean;
}

/** The options of a daemon, by their names in code. */
export type OptionTable = { readonly [field: string]: Option<unknown> };

/** The settings of a table. */
export type OptionValues<Table> = { readonly [Field in keyof Table]: Table[Field] extends Option<infer V> ? V : never };

/** An integer option, in the unit of its text. */
export interface IntegerBounds {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** The unit of the text. */
  readonly unit?: Unit;
  /** The value in code is the number in the text times this. */
  readonly scale?: number;
  /** The smallest value in code, if that is not `min`: it can be finer than the text. */
  readonly valueMin?: number;
}

/** For each unit of a text the unit of its scaled value in code. */
const finerUnits = {
  s: "ms",
  KiB: "bytes",
  MiB: "bytes",
  "KiB/s": "bytes/s",
  bytes: "bytes",
  bits: "bits",
  ms: "ms",
  us: "us",
};
type Unit = keyof typeof finerUnits;

/** An integer. */
export function integerOption(description: OptionDescription & IntegerBounds): Option<number> {
  const { min, max, unit, scale = 1, valueMin = min } = description;
  return {
    ...description,
    default: description.default * scale,
    allowed: `an integer from ${min} to ${max}${unit === undefined ? "" : ` (${unit})`}`,
    allowedValue: `an integer from ${valueMin} to ${max * scale}`,
    placeholder: unit ?? "n",
    type: "number",
    ...(unit === undefined ? {} : { valueUnit: scale === 1 ? unit : finerUnits[unit] }),
    bare: false,
    parse(text) {
      if (!/^[+-]?\d{1,16}$/.test(text)) return undefined;
      const number = Number(text);
      return number >= min && number <= max ? number * scale : undefined;
    },
    format: (value) => String(value / scale),
    accepts: (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= valueMin && value <= max * scale,
  };
}

/** A port; `min` is 0 if that means none, or any. */
export function portOption(description: OptionDescription & { default: number; min: 0 | 1 }): Option<number> {
  return integerOption({ ...description, max: PORT_MAX });
}

const booleanWords: ReadonlyMap<string, boolean> = new Map([
  ["", true],
  ["true", true],
  ["on", true],
  ["yes", true],
  ["1", true],
  ["false", false],
  ["off", false],
  ["no", false],
  ["0", false],
]);

/** A boolean: the bare name means `true`. */
export function booleanOption(description: OptionDescription & { default: boolean }): Option<boolean> {
  return {
    ...description,
    allowed: "true, on, yes, 1, false, off, no or 0",
    allowedValue: "true or false",
    placeholder: "boolean",
    type: "boolean",
    bare: true,
    parse: (text) => booleanWords.get(text.toLowerCase()),
    format: String,
    accepts: (value) => typeof value === "boolean",
  };
}

/** Any text on one line. */
export function textOption(description: OptionDescription & { default: string; placeholder: string }): Option<string> {
  return {
    ...description,
    allowed: "text on one line",
    allowedValue: "a string of one line",
    type: "string",
    bare: false,
    parse: (text) => (isOneLine(text) ? text : undefined),
    format: (value) => value,
    accepts: (value) => typeof value === "string" && isOneLine(value),
  };
}

function isOneLine(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20) return false;
  }
  return true;
}

/** One word of a closed set. */
export function choiceOption<const Word extends string>(
  description: OptionDescription & { default: NoInfer<Word>; choices: readonly Word[] },
): Option<Word> {
  const { choices } = description;
  const allowed = choices.length === 1 ? `"${choices[0]}"` : `one of ${choices.map((word) => `"${word}"`).join(", ")}`;
  return {
    ...description,
    allowed,
    allowedValue: allowed,
    placeholder: choices.join("|"),
    type: choices.map((word) => `"${word}"`).join(" | "),
    bare: false,
    parse: (text) => choices.find((word) => word === text),
    format: (value) => value,
    accepts: (value) => choices.some((word) => word === value),
  };
}

/** A host name or address, without brackets in code; empty = none. */
export function hostOption(description: OptionDescription & { default: string; placeholder: string }): Option<string> {
  const parse = (text: string): string | undefined => (text === "" ? text : parseHost(text));
  return {
    ...description,
    allowed: "a host name or an IP address",
    allowedValue: "a host name or an IP address",
    type: "string",
    bare: false,
    parse,
    format: (value) => value,
    accepts: (value) => typeof value === "string" && parse(value) !== undefined,
    canonical: (value) => parse(value) as string,
  };
}

/** `host:port` pairs separated by commas; empty by default. */
export function hostPortsOption(description: OptionDescription): Option<readonly HostPort[]> {
  return {
    ...description,
    default: [],
    allowed: "host:port pairs separated by commas",
    allowedValue: 'an array of { host, port }, as in { host: "127.0.0.1", port: 12120 }',
    placeholder: "host:port,...",
    type: "readonly { readonly host: string; readonly port: number }[]",
    bare: false,
    parse: parseHostPorts,
    format: (value) => value.map(({ host, port }) => formatHostPort(host, port)).join(","),
    accepts: (value) => Array.isArray(value) && value.every(isHostPort),
    canonical: (value) => value.map(({ host, port }) => ({ host: parseHost(host) as string, port })),
  };
}

function parseHostPorts(text: string): readonly HostPort[] | undefined {
  const pairs: HostPort[] = [];
  if (text === "") return pairs;
  for (const part of text.split(",")) {
    const pair = parseHostPort(part.trim());
    if (pair === undefined || !isHostPort(pair)) return undefined;
    pairs.push(pair);
  }
  return pairs;
}

/** Whether a value is a host with a port from 1 on. */
export function isHostPort(value: unknown): value is HostPort {
  if (typeof value !== "object" || value === null) return false;
  const { host, port } = value as { host?: unknown; port?: unknown };
  return (
    typeof host === "string" &&
    parseHost(host) !== undefined &&
    Number.isInteger(port) &&
    Number(port) > 0 &&
    Number(port) <= PORT_MAX
  );
}

/**
 * Settings with the new values of reloadable options. The others may be given, with the values they have, or those given at
 * the start (a port of 0, say, has become another since).
 * @throws FlareError INVALID_OPTION for a name that is not in the table, a value that is not allowed, or a change that needs a
 * restart
 */
export function reloadedOptions<Table extends OptionTable>(
  table: Table,
  current: OptionValues<Table>,
  given: Partial<OptionValues<Table>>,
  givenAtStart: OptionValues<Table> = current,
): OptionValues<Table> {
  checkFields(table, given);
  const values: Record<string, unknown> = { ...current };
  for (const [field, option] of Object.entries(table)) {
    if (given[field] === undefined) continue;
    const value = canonicalValue(option, given[field]);
    if (option.reloadable) values[field] = value;
    else if (![current, givenAtStart].some((known) => option.format(known[field]) === option.format(value))) {
      const change = `from "${option.format(current[field])}" to "${option.format(value)}"`;
      throw new FlareError(
        "INVALID_OPTION",
        `option "${field}" cannot change ${change} without a restart; nothing was changed`,
      );
    }
  }
  return values as OptionValues<Table>;
}

/** The same option with another default. */
export function withDefault<V>(option: Option<V>, value: NoInfer<V>): Option<V> {
  return { ...option, default: value };
}

/** The rows of a table except some. */
export function withoutOptions(table: OptionTable, fields: readonly string[]): OptionTable {
  return Object.fromEntries(Object.entries(table).filter(([field]) => !fields.includes(field)));
}

/** The values of a table's fields, from an object with more fields. */
export function pickOptions<Table extends OptionTable>(table: Table, values: OptionValues<Table>): OptionValues<Table> {
  return Object.fromEntries(Object.keys(table).map((field) => [field, values[field]])) as OptionValues<Table>;
}

/**
 * Completes a program's settings with the defaults. @param beside further allowed fields, which are only checked
 * @throws FlareError INVALID_OPTION for a name that is not in the table or a value that is not allowed
 */
export function completeOptions<Table extends OptionTable>(
  table: Table,
  given: Partial<OptionValues<Table>>,
  beside: Fields = {},
): OptionValues<Table> {
  checkFields({ ...table, ...beside }, given);
  const values: Record<string, unknown> = {};
  for (const [field, option] of Object.entries(table)) {
    const value = given[field];
    values[field] = value === undefined ? option.default : canonicalValue(option, value);
  }
  return values as OptionValues<Table>;
}

function canonicalValue<V>(option: Option<V>, value: V): V {
  return option.canonical === undefined ? value : option.canonical(value);
}
