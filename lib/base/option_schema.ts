/**
 * What an option is: its name on the command line and in files, how its text becomes a value and back, what is
 * allowed. A daemon declares one table of these; parsing, defaults, `--help`, `--print-config` and the TypeScript
 * type of its settings all come from that table. Pure; must not know any particular option.
 */

import { checkFields, type Field, type Fields } from "./given_fields.ts";
import { formatHostPort, type HostPort, PORT_MAX, parseHost, parseHostPort } from "./host_port.ts";

/** The largest value of an option that the original keeps in 32 bits, with a sign and without. */
export const int32Max = 0x7fffffff;
export const uint32Max = 0xffffffff;

/** One option whose value in the program is a `V`. */
export interface Option<V> extends OptionDescription, Field {
  /** The value where nobody gave one. */
  readonly default: V;
  /** What may stand there as a text, for messages: `an integer from 1 to 65535`. */
  readonly allowed: string;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
  /** The type of the value in code, as TypeScript writes it. */
  readonly type: string;
  /** What the number in code counts: the text may count something coarser. */
  readonly valueUnit?: string;
  /** True if the name alone means `true`. */
  readonly bare: boolean;
  /** The value of a text as it stands in a file, or undefined if it is not allowed. */
  parse(text: string): V | undefined;
  /** The text that `parse` turns into this value. */
  format(value: V): string;
  /** The one form of a value that may be written in several; absent where each has one. */
  canonical?(value: V): V;
}

/** The part of an option that only describes it. */
export interface OptionDescription {
  /** As in files and flags: `server-port`. */
  readonly name: string;
  /** What it does, one line. */
  readonly help: string;
  /** The first release of Flare that had it. */
  readonly since: string;
  /** One letter for the command line. */
  readonly short?: string;
  /** Taken up from the config file on SIGHUP, without a restart. */
  readonly reloadable?: boolean;
  /** Why it changes nothing, where it is only accepted and shown. */
  readonly withoutEffect?: string;
  /** Its name in `show variables`, where that is not `name` with underscores. */
  readonly variable?: string;
  /** Not possible in a config file. */
  readonly commandLineOnly?: boolean;
}

/** The options of one daemon, by their name in code. */
export type OptionTable = { readonly [field: string]: Option<unknown> };

/** The settings a table describes. */
export type OptionValues<Table> = { readonly [Field in keyof Table]: Table[Field] extends Option<infer V> ? V : never };

/** A number of an option, in the unit of its text. */
export interface IntegerBounds {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What the text counts. */
  readonly unit?: Unit;
  /** The value in code is the number in the text times this. */
  readonly scale?: number;
  /** The smallest value in code, where that is not `min`: it may be finer than the text. */
  readonly valueMin?: number;
}

/** For each unit of a text the one of its value in code where that is scaled. */
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

/** A port; `min` is 0 where that means none, or any. */
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

/** A switch: the bare name means `true`. */
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

/** A host by name or address, without brackets in code; empty where none is given. */
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

/** Whether a value is a host and a port somebody can listen on. */
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
 * Settings with the new values of the options that can be reloaded; the others keep theirs.
 * @throws FlareError INVALID_OPTION for a name that is not in the table or a value that is not allowed
 */
export function reloadedOptions<Table extends OptionTable>(
  table: Table,
  current: OptionValues<Table>,
  given: Partial<OptionValues<Table>>,
): OptionValues<Table> {
  checkFields(table, given);
  const values: Record<string, unknown> = { ...current };
  for (const [field, option] of Object.entries(table)) {
    const value = given[field];
    if (option.reloadable && value !== undefined) values[field] = canonicalValue(option, value);
  }
  return values as OptionValues<Table>;
}

/** The same option with another default. */
export function withDefault<V>(option: Option<V>, value: NoInfer<V>): Option<V> {
  return { ...option, default: value };
}

/** The values of a table's fields, out of an object that has more. */
export function pickOptions<Table extends OptionTable>(table: Table, values: OptionValues<Table>): OptionValues<Table> {
  return Object.fromEntries(Object.keys(table).map((field) => [field, values[field]])) as OptionValues<Table>;
}

/**
 * Complete settings from the ones a program gave; the others take their defaults.
 * @param beside what may stand beside them, and is only checked
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
