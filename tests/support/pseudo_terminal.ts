/** A program of `cli/` in a terminal of its own: what it shows there, and keys for it. The terminal is that of `script`. */

import { type Command, commandFor, SpawnedProgram } from "./spawn.ts";

/** How large the terminal is. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Starts a program of `cli/` in a terminal; its output is what the terminal got. */
export function startInTerminal(
  name: "flare" | "flared" | "flarei",
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  { columns, rows }: TerminalSize = { columns: 120, rows: 24 },
): SpawnedProgram {
  const command: Command = [...commandFor(`cli/${name}.ts`)];
  const line = [...command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  // The size belongs to the terminal, which is there only now; `exec`, so that a signal to the terminal reaches the program.
  const inTerminal = `stty cols ${columns} rows ${rows}; exec ${line}`;
  return new SpawnedProgram("script", ["--quiet", "--return", "--command", inTerminal, "/dev/null"], {
    TERM: "xterm",
    // Whatever whoever runs the tests wants.
    NO_COLOR: "",
    ...environment,
  });
}

/** What a terminal shows after some output, without colours: its lines. Knows the few sequences that our programs send. */
export function screenOf(output: string): string[] {
  const lines: string[] = [];
  let [row, column] = [0, 0];
  const put = (text: string): void => {
    for (const character of text) {
      if (character === "\r") column = 0;
      else if (character === "\n") row++;
      else {
        const line = (lines[row] ?? "").padEnd(column);
        lines[row] = line.slice(0, column) + character + line.slice(++column);
      }
    }
  };
  const [before = "", ...parts] = output.split("\u001b[");
  put(before);
  for (const part of parts) {
    const [, sequence = "", text = ""] = /^([?\d;]*[A-Za-z])([\s\S]*)$/.exec(part) ?? [];
    if (sequence === "H") [row, column] = [0, 0];
    else if (sequence === "2J") lines.length = 0;
    else if (sequence === "J") lines.length = Math.min(lines.length, row + (column > 0 ? 1 : 0));
    else if (sequence === "K") lines[row] = (lines[row] ?? "").slice(0, column);
    put(text);
  }
  return Array.from(lines, (line) => line ?? "");
}
