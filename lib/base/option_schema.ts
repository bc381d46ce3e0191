/**
 * What an option is: its name on the command line and in files, how its text becomes a value and back, what is
 * allowed. A daemon declares one table of these; parsing, defaults, `--help`, `--print-config` and the TypeScript
 * type of its settings all come from that table. Pure; must not know any particular option.
 */

import { checkFields, type Field } from "./given_fields.ts";
import { formatHostPort, type HostPort, parseHost, parseHostPort } from "./host_port.ts";

/** One option whose value in the program is a `V`. */
export interface Option<V> extends OptionDescription, Field {
  /** The value where nobody gave one. */
  readonly default: V;
  /** What may stand there as a text, for messages: `an integer from 1 to 65535`. */
  readonly allowed: string;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
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
  /** False where it is accepted and shown but changes nothing. */
  readonly effective?: boolean;
  /** Not possible in a config file. */
  readonly commandLineOnly?: boolean;
}

/** The options of one daemon, by their name in code. */
export type OptionTable = { readonly [field: string]: Option<unknown> };

/** The settings a table describes. */
export type OptionValues<Table> = { readonly [Field in keyof Table]: Table[Field] extends Option<infer V> ? V : never };

/** An integer; the value in code is the number in the text times `scale` (`unit` says what the text counts). */
export function integerOption(
  description: OptionDescription & { default: number; min: number; max: number; unit?: string; scale?: number },
): Option<number> {
  const { min, max, unit, scale = 1 } = description;
  return {
    ...description,
    default: description.default * scale,
    allowed: `an integer from ${min} to ${max}${unit === undefined ? "" : ` (${unit})`}`,
    allowedValue: `an integer from ${min} to ${max * scale}`,
    placeholder: unit ?? "n",
    bare: false,
    parse(text) {
      if (!/^[+-]?\d{1,16}$/.test(text)) return undefined;
      const number = Number(text);
      return number >= min && number <= max ? number * scale : undefined;
    },
    format: (value) => String(value / scale),
    accepts: (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max * scale,
  };
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
    Number(port) <= 65535
  );
}

/**
 * Complete settings from the ones a program gave; the others take their defaults.
 * @throws FlareError INVALID_OPTION for a name that is not in the table or a value that is not allowed
 */
export function completeOptions<Table extends OptionTable>(
  table: Table,
  given: Partial<OptionValues<Table>>,
): OptionValues<Table> {
  checkFields(table, given);
  const values: Record<string, unknown> = {};
  for (const [field, option] of Object.entries(table)) {
    const value = given[field];
    if (value === undefined) values[field] = option.default;
    else values[field] = option.canonical === undefined ? value : option.canonical(value);
  }
  return values as OptionValues<Table>;
}
