/** Completion scripts for bash, zsh and fish: verbs and options of the programs. Pure: from outlines to text. */

import type { Outline, OutlineOption } from "./program_outline.ts";

/** The supported shells. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** One script for all the programs. */
export function completionScript(shell: Shell, programs: readonly Outline[]): string {
  const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
  return `${scripts[shell](programs).join("\n")}\n`;
}

// ------------------------------------------------------------------------------------------------------- bash

function bashScript(programs: readonly Outline[]): string[] {
  return [`# bash completion of ${names(programs).join(", ")}`, ...programs.flatMap(bashProgram)];
}

function bashProgram(program: Outline): string[] {
  const scopes = [program, ...program.verbs];
  const verbOf = (scope: Outline): string => (scope === program ? "" : scope.name);
  return [
    `_${program.name}() {`,
    `  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" verb="" words="" i`,
    ...(program.verbs.length === 0
      ? []
      : [
          "  for ((i = 1; i < COMP_CWORD; i++)); do",
          `    [[ \${COMP_WORDS[i]} != -* ]] && verb="\${COMP_WORDS[i]}" && break`,
          "  done",
        ]),
    '  case "$verb $prev" in',
    ...scopes.flatMap((scope) => scope.options.flatMap((option) => bashValue(verbOf(scope), option))),
    "  esac",
    '  case "$verb" in',
    ...scopes.map((scope) => `    "${verbOf(scope)}") words="${[...names(scope.verbs), ...flagsOf(scope)].join(" ")}" ;;`),
    "  esac",
    ...(program.verbs.length === 0
      ? ['  [[ $cur == -* ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))']
      : ['  [[ $cur == -* || -z $verb ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))']),
    "}",
    `complete -o default -F _${program.name} ${program.name}`,
  ];
}

/** The value of an option: one of its choices, else the shell's default, which is files. */
function bashValue(verb: string, { short, long, value, choices }: OutlineOption): string[] {
  if (!value.startsWith("<")) return [];
  const patterns = [short, long].flatMap((flag) => (flag === undefined ? [] : [`"${verb} ${flag}"`])).join("|");
  const reply = choices.length === 0 ? "" : ` COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur"));`;
  return [`    ${patterns})${reply} return ;;`];
}

// -------------------------------------------------------------------------------------------------------- zsh

function zshScript(programs: readonly Outline[]): string[] {
  return [
    `#compdef ${names(programs).join(" ")}`,
    ...programs.flatMap(zshProgram),
    'case "$service" in',
    ...names(programs).map((name) => `  ${name}) _${name}_completion ;;`),
    "esac",
  ];
}

function zshProgram(program: Outline): string[] {
  const head = `_${program.name}_completion() {`;
  if (program.verbs.length === 0) return [head, ...zshArguments(program, "  "), "}"];
  return [
    head,
    "  if (( CURRENT == 2 )); then",
    "    local -a verbs=(",
    ...program.verbs.map(({ name, description }) => `      ${quoted(`${name}:${description}`)}`),
    "    )",
    "    _describe verb verbs",
    "    return",
    "  fi",
    "  shift words",
    "  (( CURRENT-- ))",
    '  case "$words[1]" in',
    ...program.verbs.flatMap((verb) => [`    ${verb.name})`, ...zshArguments(verb, "      "), "      ;;"]),
    "  esac",
    "}",
  ];
}

function zshArguments({ options }: Outline, indent: string): string[] {
  const specs = options.flatMap(({ short, long, value, description, choices }) => {
    const help = `[${description.replace(/[[\]\\]/g, "\\$&")}]`;
    const action = choices.length === 0 ? "_files" : `(${choices.join(" ")})`;
    const name = value.replace(/[<>[\].:]/g, " ").trim();
    const rest = value.startsWith("<") ? `${help}:${name}:${action}` : help;
    return [short, long].flatMap((flag) => (flag === undefined ? [] : [quoted(`*${flag}${rest}`)]));
  });
  return [`${indent}_arguments \\`, ...specs.map((spec) => `${indent}  ${spec} \\`), `${indent}  '*:argument:_files'`];
}

// ------------------------------------------------------------------------------------------------------- fish

function fishScript(programs: readonly Outline[]): string[] {
  return [`# fish completion of ${names(programs).join(", ")}`, ...programs.flatMap(fishProgram)];
}

function fishProgram({ name, options, verbs }: Outline): string[] {
  const complete = `complete -c ${name}`;
  return [
    ...verbs.map((verb) => `${complete} -n __fish_use_subcommand -f -a ${verb.name} -d ${quoted(verb.description)}`),
    ...options.map((option) => `${complete}${verbs.length === 0 ? "" : " -n __fish_use_subcommand"}${fishOption(option)}`),
    ...verbs.flatMap((verb) =>
      verb.options.map((option) => `${complete} -n '__fish_seen_subcommand_from ${verb.name}'${fishOption(option)}`),
    ),
  ];
}

function fishOption({ short, long, value, description, choices }: OutlineOption): string {
  const flags = `${short === undefined ? "" : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
  const follows = !value.startsWith("<") ? "" : choices.length === 0 ? " -r" : ` -x -a ${quoted(choices.join(" "))}`;
  return `${flags}${follows} -d ${quoted(description)}`;
}

// ----------------------------------------------------------------------------------------------------- common

function names(outlines: readonly Outline[]): string[] {
  return outlines.map(({ name }) => name);
}

function flagsOf({ options }: Outline): string[] {
  return options.map(({ long }) => long);
}

/** A text in single quotes, valid in all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
