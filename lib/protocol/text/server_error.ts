/**
 * How clients hear of faults: one line, whatever the text is, because a line end in it would be taken for the answer to the
 * next request. Pure.
 */

import { fromLatin1, utf8AsLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";

const PREFIX = "SERVER_ERROR ";

/** The line that says `text`. */
export function serverErrorLine(text: string): string {
  return `${PREFIX}${utf8AsLatin1(text).replace(/[\r\n\0]+/g, " ")}`;
}

/** The line for what was thrown. @throws what was thrown if it is no `FlareError`: a bug, which the session reports */
export function faultLine(error: unknown): string {
  if (!(error instanceof FlareError)) throw error;
  return serverErrorLine(error.message);
}

/** What the line of another server says, without the word in front. */
export function serverErrorText(line: string): string {
  return new TextDecoder().decode(fromLatin1(line.startsWith(PREFIX) ? line.slice(PREFIX.length) : line));
}
