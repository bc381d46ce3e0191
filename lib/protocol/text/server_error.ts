/**
 * Errors as answers to clients: always one line, because a line end in the text would look like the answer to the next request.
 * Pure.
 */

import { fromLatin1, utf8AsLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";

const PREFIX = "SERVER_ERROR ";

/** The error line with `text`. */
export function serverErrorLine(text: string): string {
  return `${PREFIX}${utf8AsLatin1(text).replace(/[\r\n\0]+/g, " ")}`;
}

/** The line for what was thrown. @throws what was thrown if it is not a `FlareError`: a bug, which the session reports */
export function faultLine(error: unknown): string {
  if (!(error instanceof FlareError)) throw error;
  return serverErrorLine(error.message);
}

/** The text of another server's error line, without its first word. */
export function serverErrorText(line: string): string {
  return new TextDecoder().decode(fromLatin1(line.startsWith(PREFIX) ? line.slice(PREFIX.length) : line));
}
