/**
 * The verbs and options of a program as data, read from commander's definitions, so that shell completion and manual match the
 * program.
 */

import type { Command, Option } from "commander";

/** One option. */
export interface OutlineOption {
  /** `-o`; undefined without a short name. */
  readonly short: string | undefined;
  /** `--output`. */
  readonly long: string;
  /** The placeholder of its value, as in `<path>`; empty for a flag. */
  readonly value: string;
  readonly description: string;
  readonly choices: readonly string[];
}

/** A program or one of its verbs. */
export interface Outline {
  readonly name: string;
  /** The usage after the name, such as `[options] <host:port...>`. */
  readonly usage: string;
  readonly description: string;
  readonly options: readonly OutlineOption[];
  readonly verbs: readonly Outline[];
  /** The text of its help after the options. */
  readonly notes: string;
}

/** The outline of a program with its verbs. */
export function outlineOf(command: Command): Outline {
  const help = command.createHelp();
  return {
    name: command.name(),
    usage: command.usage(),
    description: help.commandDescription(command) || command.summary(),
    options: help.visibleOptions(command).map(outlineOption),
    verbs: command.commands.map(outlineOf),
    notes: notesOf(command),
  };
}

function outlineOption(option: Option): OutlineOption {
  const [value = ""] = /[<[].*$/.exec(option.flags) ?? [];
  const notes = option.defaultValue === undefined ? "" : ` (default ${option.defaultValue})`;
  return {
    short: option.short,
    long: option.long ?? "",
    value,
    description: `${option.description}${notes}`,
    // The option tables list their choices as the placeholder of the value.
    choices: option.argChoices ?? (/^<.*\|.*>$/.test(value) ? value.slice(1, -1).split("|") : []),
  };
}

/** The text added by `addHelpText`, which commander provides only when it prints. */
function notesOf(command: Command): string {
  let printed = "";
  const before = command.configureOutput();
  command.configureOutput({
    ...before,
    writeOut: (text) => {
      printed += text;
    },
  });
  command.outputHelp();
  command.configureOutput(before);
  return printed.slice(command.helpInformation().length).trim();
}
