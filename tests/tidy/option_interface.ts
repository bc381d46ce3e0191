/**
 * A table of options as a TypeScript interface, so that editors and `mod.d.ts` tell of each field what the table knows: what it
 * does, its unit, bounds and default, and its name in files and flags.
 */

import type { Option, OptionTable } from "../../lib/base/option_schema.ts";

const TEXT_WIDTH = 120;

const unitNames: Readonly<Record<string, string>> = {
  ms: "milliseconds",
  us: "microseconds",
  s: "seconds",
  "bytes/s": "bytes per second",
};

/** How an interface differs from that of a server's options. */
export interface InterfaceForm {
  /** All fields have values. */
  readonly complete?: boolean;
  /** Nothing that has it can be reloaded. */
  readonly fixed?: boolean;
}

/** The fields of the interface, each with its comment. */
export function interfaceFields(table: OptionTable, { complete = false, fixed = false }: InterfaceForm = {}): string {
  const fieldOfName = new Map(Object.entries(table).map(([field, { name }]) => [name, field]));
  return Object.entries(table)
    .map(([field, option]) => {
      const texts = paragraphs(option, fieldOfName, fixed);
      const lines = texts.flatMap((text, at) => [...(at === 0 ? [] : [""]), ...wrapped(text)]);
      const comment = lines.map((line) => `   * ${line}`.trimEnd()).join("\n");
      return `  /**\n${comment}\n   */\n  readonly ${field}${complete ? "" : "?"}: ${option.type};\n`;
    })
    .join("");
}

function paragraphs(option: Option<unknown>, fieldOfName: ReadonlyMap<string, string>, fixed: boolean): string[] {
  // Programs know the other options by their fields.
  const help = option.help.replaceAll(/(?<![\w<-])[a-z]+(?:-[a-z]+)+(?![\w>-])/g, (word) => {
    const field = fieldOfName.get(word);
    return field === undefined ? word : `\`${field}\``;
  });
  const facts = [
    valueText(option),
    `\`${option.name}\` in files and flags.`,
    ...(option.reloadable && !fixed ? ["Can be reloaded."] : []),
  ];
  return [`${help.slice(0, 1).toUpperCase()}${help.slice(1)}.`, facts.filter((fact) => fact !== "").join(" ")];
}

function valueText({ type, allowedValue, valueUnit, help, default: preset }: Option<unknown>): string {
  // A help text that has the default in its own words knows better.
  const isEmpty = preset === "" || (Array.isArray(preset) && preset.length === 0) || /\bdefault\b/.test(help);
  const presetText = isEmpty ? "" : `default ${JSON.stringify(preset)}`;
  // The type of the others says what is allowed.
  const allowed = type === "number" ? `${allowedValue}${unitText(valueUnit)}` : "";
  const text = [allowed, presetText].filter((part) => part !== "").join("; ");
  return text === "" ? "" : `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function unitText(unit: string | undefined): string {
  return unit === undefined ? "" : `, in ${unitNames[unit] ?? unit}`;
}

function wrapped(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) as string;
    if (line !== "" && line.length + 1 + word.length > TEXT_WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
