/**
 * Resolves the settings of a daemon: the command line overrides the environment, then the config file, then the defaults.
 * Records the origin of each, and can print them all as a config file. The caller passes all input (arguments, variables, the
 * file's text): nothing here accesses the process or a file system.
 */

import { fitsConfigFile, parseConfigFile } from "./config_file.ts";
import { FlareError } from "./errors.ts";
import type { OptionTable, OptionValues } from "./option_schema.ts";
import { suggestion } from "./similar_name.ts";

/** The sources of settings. */
export interface SettingSources<Table extends OptionTable> {
  /** Texts from the command line, by option name. */
  readonly flags?: Readonly<Record<string, string>>;
  /** The process's environment: `FLARE_SERVER_PORT` sets `server-port`; other variables are ignored. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The config file, already read. */
  readonly file?: { readonly path: string; readonly text: string };
  /** Remembered settings of an earlier run, in config file format: below everything given now. */
  readonly remembered?: { readonly path: string; readonly text: string };
  /** Used instead of the defaults: the settings before a reload. */
  readonly before?: Settings<Table>;
}

/** Complete settings, each with its origin. */
export interface Settings<Table extends OptionTable> {
  readonly values: OptionValues<Table>;
  /** `flag`, `environment FLARE_…`, `config file "…" line n`, `remembered in "…" line n`, or `default`. */
  readonly origins: { readonly [Field in keyof Table]: string };
}

/** The origin of a default. */
export const defaultOrigin = "default";

/** The prefix of the origin of a remembered setting. */
export const rememberedOrigin = "remembered in";

/**
 * Resolves the settings of a daemon.
 * @throws FlareError INVALID_OPTION naming the option, the value and what is allowed
 */
export function resolveSettings<Table extends OptionTable>(table: Table, sources: SettingSources<Table>): Settings<Table> {
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  const fieldOfName = new Map<string, string>();
  for (const [field, option] of Object.entries(table)) {
    fieldOfName.set(option.name, field);
    values[field] = sources.before === undefined ? option.default : sources.before.values[field];
    origins[field] = sources.before?.origins[field] ?? defaultOrigin;
  }

  const take = (name: string, text: string, origin: string): void => {
    const field = fieldOfName.get(name);
    const option = field === undefined ? undefined : table[field];
    if (field === undefined || option === undefined) throw unknownOption(table, name, text, origin);
    const value = option.parse(text);
    if (value === undefined) {
      const why = option.withoutEffect === undefined ? "" : `: ${option.withoutEffect}`;
      throw new FlareError("INVALID_OPTION", `option "${name}" (${origin}): "${text}" is not ${option.allowed}${why}`);
    }
    values[field] = value;
    origins[field] = origin;
  };

  const takeFile = (kind: string, { path, text }: { readonly path: string; readonly text: string }): void => {
    for (const { name, value, line } of parseConfigFile(text, path)) {
      const origin = `${kind} "${path}" line ${line}`;
      const field = fieldOfName.get(name);
      if (field !== undefined && table[field]?.commandLineOnly) {
        throw new FlareError("INVALID_OPTION", `option "${name}" (${origin}): "${value}" is only allowed on the command line`);
      }
      take(name, value, origin);
    }
  };
  if (sources.remembered !== undefined) takeFile(rememberedOrigin, sources.remembered);
  if (sources.file !== undefined) takeFile("config file", sources.file);
  for (const option of Object.values(table)) {
    const variable = environmentName(option.name);
    const text = sources.environment?.[variable];
    if (text !== undefined) take(option.name, text, `environment ${variable}`);
  }
  for (const [name, text] of Object.entries(sources.flags ?? {})) take(name, text, "flag");

  return { values: values as OptionValues<Table>, origins: origins as Settings<Table>["origins"] };
}

/** The environment variable of an option: `FLARE_SERVER_PORT` for `server-port`. */
export function environmentName(optionName: string): string {
  return `FLARE_${optionName.toUpperCase().replaceAll("-", "_")}`;
}

function unknownOption(table: OptionTable, name: string, text: string, origin: string): FlareError {
  const names = Object.values(table).filter((option) => !option.commandLineOnly);
  const allowed = names.map((option) => option.name);
  const help = suggestion(name, allowed) || `; allowed are ${allowed.join(", ")}`;
  return new FlareError("INVALID_OPTION", `unknown option "${name}" with value "${text}" (${origin})${help}`);
}

/** Names of the options that were given although they have no effect. */
export function optionsWithoutEffect<Table extends OptionTable>(table: Table, settings: Settings<Table>): readonly string[] {
  const fields = Object.keys(table).filter((field) => settings.origins[field] !== defaultOrigin);
  return fields.flatMap((field) => (table[field]?.withoutEffect === undefined ? [] : [table[field].name]));
}

/** The result of a reload. */
export interface ReloadedSettings<Table extends OptionTable> {
  /** The new settings: the new value of each reloadable option, the old one of every other. */
  readonly settings: Settings<Table>;
  /** Names of the options whose new value needs a restart. */
  readonly needRestart: readonly string[];
}

/** Separates the changes between two settings into reloadable ones and others. */
export function reloadSettings<Table extends OptionTable>(
  table: Table,
  before: Settings<Table>,
  after: Settings<Table>,
): ReloadedSettings<Table> {
  const values: Record<string, unknown> = { ...before.values };
  const origins: Record<string, string> = { ...before.origins };
  const needRestart: string[] = [];
  for (const [field, option] of Object.entries(table)) {
    if (option.format(after.values[field]) === option.format(before.values[field])) continue;
    if (option.reloadable) {
      values[field] = after.values[field];
      origins[field] = after.origins[field] ?? defaultOrigin;
    } else {
      needRestart.push(option.name);
    }
  }
  return {
    settings: { values: values as OptionValues<Table>, origins: origins as Settings<Table>["origins"] },
    needRestart,
  };
}

/** The settings as an equivalent config file; each line's comment says where its value came from. */
export function printConfig<Table extends OptionTable>(table: Table, settings: Settings<Table>): string {
  let text = "";
  for (const [field, option] of Object.entries(table)) {
    if (option.commandLineOnly) continue;
    const value = option.format(settings.values[field]);
    const origin = settings.origins[field];
    text += fitsConfigFile(value)
      ? `${`${option.name} = ${value}`.trimEnd()} # ${origin}\n`
      : `# ${option.name} = ${value} (${origin}): a config file cannot contain this value\n`;
  }
  return text;
}
