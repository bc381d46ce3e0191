/** Whether a program shows colours: only in a terminal, unless they are disabled. */

import process from "node:process";

/** Whether a stream shows colours: a terminal that has them, and no `NO_COLOR` (https://no-color.org). */
export function hasColours(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}
