/** The manual pages of the programs, for `man`. Pure: from an outline to the text of a page. */

import { VERSION } from "../lib/base/version.ts";
import { examplesOf } from "./examples.ts";
import type { Outline, OutlineOption } from "./program_outline.ts";

/** The page of a program in section 1. */
export function manualPage(program: Outline, others: readonly string[]): string {
  const { name, usage, description, options, verbs, notes } = program;
  return `${[
    `.TH ${name.toUpperCase()} 1 "" "flare ${VERSION}" "Flare for TypeScript"`,
    ".SH NAME",
    escaped(`${name} - ${description}`),
    ".SH SYNOPSIS",
    `.B ${name}`,
    escaped(usage),
    ".SH DESCRIPTION",
    escaped(description),
    ".SH OPTIONS",
    ...options.flatMap(optionLines),
    ...(verbs.length === 0 ? [] : [".SH VERBS", ...verbs.flatMap((verb) => verbLines(name, verb))]),
    ...noteLines(name, notes),
    ...exampleLines(".SH EXAMPLES", name),
    ".SH EXIT STATUS",
    "0 on success, 1 on failure, 2 for wrong arguments or options, unless a verb says otherwise.",
    ".SH SEE ALSO",
    others.map((other) => `.BR ${other} (1)`).join("\n"),
  ].join("\n")}\n`;
}

function verbLines(program: string, { name, usage, description, options, notes }: Outline): string[] {
  return [
    `.SS ${escaped(`${program} ${name} ${usage}`)}`,
    escaped(description),
    ...options.flatMap(optionLines),
    ...noteLines(name, notes),
    ...exampleLines(".PP", name),
  ];
}

function optionLines({ short, long, value, description, choices }: OutlineOption): string[] {
  const flags = [short, long].filter((flag) => flag !== undefined).join(", ");
  const allowed = choices.length === 0 ? "" : ` (one of ${choices.join(", ")})`;
  return [".TP", `.B ${escaped(`${flags}${value === "" ? "" : ` ${value}`}`)}`, escaped(`${description}${allowed}`)];
}

/** The notes of the help without the examples, which have their own section. */
function noteLines(name: string, notes: string): string[] {
  const text = examplesOf(name).length === 0 ? notes : notes.slice(0, notes.lastIndexOf("Examples:")).trim();
  return text === "" ? [] : [".PP", ".nf", ...text.split("\n").map(escaped), ".fi"];
}

function exampleLines(heading: string, name: string): string[] {
  const lines = examplesOf(name);
  return lines.length === 0 ? [] : [heading, ".nf", ...lines.map((line) => escaped(`  ${line}`)), ".fi"];
}

/** Text that roff prints literally. */
function escaped(text: string): string {
  const plain = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^[.']/.test(plain) ? `\\&${plain}` : plain;
}
