/**
 * Connects an option table with a command line: commander parses the arguments, the table gives them their meaning. Knows no
 * particular option and starts nothing.
 */

import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { FlareError } from "../lib/base/errors.ts";
import type { OptionTable } from "../lib/base/option_schema.ts";
import type { SettingSources, Settings } from "../lib/base/settings.ts";
import { environmentName, resolveSettings } from "../lib/base/settings.ts";
import { VERSION } from "../lib/base/version.ts";

/** A command with `-h` and `-v` that throws on wrong arguments instead of ending the process. */
export function createCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .version(`flare ${VERSION}`, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ helpWidth: process.stdout.columns ?? 120 })
    .showHelpAfterError(`(see ${name} --help for what is allowed)`)
    .allowExcessArguments(false)
    .exitOverride();
}

/** Adds a table's options to a command. */
export function addOptions(command: Command, table: OptionTable): void {
  for (const option of Object.values(table)) {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const value = option.bare ? `[${option.placeholder}]` : `<${option.placeholder}>`;
    const notes = [
      ...(option.format(option.default) === "" ? [] : [`default ${option.format(option.default)}`]),
      ...(option.reloadable && option.withoutEffect === undefined ? ["reloadable"] : []),
      ...(option.withoutEffect === undefined ? [] : [`no effect: ${option.withoutEffect}`]),
    ];
    const help = notes.length === 0 ? option.help : `${option.help} (${notes.join(", ")})`;
    command.addOption(new Option(`${short}--${option.name} ${value}`, help));
  }
  const example = Object.values(table).find(({ name }) => name.endsWith("port"));
  if (example === undefined) return;
  const variable = `${environmentName(example.name)}=${example.format(example.default)}`;
  command.addHelpText("after", `\nEach option can also be given in the environment: ${variable} and so on.`);
}

/** The texts of a table's options in a parsed command line, by option name. */
export function givenFlags(command: Command, table: OptionTable): Record<string, string> {
  const names = new Set(Object.values(table).map((option) => option.name));
  const flags: Record<string, string> = {};
  for (const option of command.options) {
    const name = option.long?.slice("--".length) ?? "";
    const value: unknown = command.getOptionValue(option.attributeName());
    if (names.has(name) && value !== undefined) flags[name] = value === true ? "true" : String(value);
  }
  return flags;
}

/**
 * Expands abbreviated long options, such as `--max-conn` for `--max-connection`. Ambiguous or unknown ones stay as they are,
 * for commander to refuse.
 */
export function expandAbbreviations(args: readonly string[], command: Command): string[] {
  const names = command.options.flatMap((option) => (option.long === undefined ? [] : [option.long]));
  names.push("--help");
  return args.map((arg) => {
    if (!arg.startsWith("--") || arg === "--") return arg;
    const equals = arg.indexOf("=");
    const given = equals < 0 ? arg : arg.slice(0, equals);
    const matches = names.filter((name) => name.startsWith(given));
    const [match] = matches;
    return matches.includes(given) || matches.length !== 1 || match === undefined ? arg : match + arg.slice(given.length);
  });
}

/**
 * The settings from the command line, the environment and the config file that the command line names; `others` are the
 * fallback.
 * @throws FlareError INVALID_OPTION
 */
export function readSettings<Table extends OptionTable>(
  table: Table,
  flags: Readonly<Record<string, string>>,
  others: Pick<SettingSources<Table>, "before" | "remembered"> = {},
): Settings<Table> {
  const path = flags.config ?? process.env[environmentName("config")];
  return resolveSettings(table, {
    flags,
    environment: process.env,
    ...(path === undefined || path === "" ? {} : { file: { path, text: readConfigFile(path) } }),
    ...others,
  });
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `option "config": "${path}" cannot be read: ${reason}`, { cause });
  }
}
