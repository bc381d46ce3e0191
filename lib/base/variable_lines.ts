/**
 * The format of `show variables`: one `name:value` line per setting, the values in one column. Names and values come from the
 * option table.
 */

import type { Option, OptionTable, OptionValues } from "./option_schema.ts";

/**
 * The lines of some options in the order of `fields`, without line ends; values start in column `width`, or one space after a
 * longer name.
 * @param texts values whose format in the original differs from files
 */
export function variableLines<Table extends OptionTable>(
  width: number,
  table: Table,
  options: OptionValues<Table>,
  fields: readonly (keyof Table & string)[],
  texts: { readonly [Field in keyof Table]?: string } = {},
): string[] {
  return fields.map((field) => {
    const { name, variable = name.replaceAll("-", "_"), format } = table[field] as Option<unknown>;
    const label = `${variable}:`;
    return (label.length > width ? `${label} ` : label.padEnd(width)) + (texts[field] ?? format(options[field]));
  });
}
