/**
 * The form of `show variables`: one `name:value` line per setting, the values in one column. Knows no option.
 */

/** The lines, without line ends; values start in column `width`, behind a longer name after one blank. */
export function variableLines(width: number, variables: Readonly<Record<string, string>>): string[] {
  return Object.entries(variables).map(([name, value]) => {
    const label = `${name}:`;
    return (label.length > width ? `${label} ` : label.padEnd(width)) + value;
  });
}
