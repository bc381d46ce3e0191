/**
 * What a program understands, as data: read from commander's own definitions, so that the completion of the shells and the
 * manual say what the program does.
 */

import type { Command, Option } from "commander";

/** One option. */
export interface OutlineOption {
  /** `-o`; undefined without a short name. */
  readonly short: string | undefined;
  /** `--output`. */
  readonly long: string;
  /** What follows it, as in `<path>`; empty for a switch. */
  readonly value: string;
  readonly description: string;
  readonly choices: readonly string[];
}

/** A program or one of its verbs. */
export interface Outline {
  readonly name: string;
  /** What follows the name, such as `[options] <host:port...>`. */
  readonly usage: string;
  readonly description: string;
  readonly options: readonly OutlineOption[];
  readonly verbs: readonly Outline[];
  /** What its help says behind the options. */
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
    // The tables of options name their choices where others name a value.
    choices: option.argChoices ?? (/^<.*\|.*>$/.test(value) ? value.slice(1, -1).split("|") : []),
  };
}

/** What `addHelpText` has put behind the help: commander tells it only when it prints. */
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
