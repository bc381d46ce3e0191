/** Reads an HTTP/1.1 response: status and body, by length, in chunks or until the connection ends. Pure. */

import { MIB } from "../../base/byte_units.ts";
import { FlareError } from "../../base/errors.ts";

/** A response; the body has one character per byte. */
export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

const HEAD_LENGTH_MAX = 65_536;
const BODY_LENGTH_MAX = 16 * MIB;
const LINE_END = "\r\n";
const HEAD_END = "\r\n\r\n";

/**
 * The response that `text` is, one character per byte; undefined while it is incomplete.
 * @param ended nothing follows
 * @throws FlareError CORRUPT
 */
export function parseHttpResponse(text: string, ended: boolean): HttpResponse | undefined {
  const headLength = text.indexOf(HEAD_END);
  if (headLength < 0) {
    if (text.length > HEAD_LENGTH_MAX) throw corrupt(`its head is longer than ${HEAD_LENGTH_MAX} bytes`);
    return undefined;
  }
  const [first = "", ...lines] = text.slice(0, headLength).split(LINE_END);
  const [, digits] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first) ?? [];
  if (digits === undefined) throw corrupt(`it begins with "${first.slice(0, 80)}"`);
  const body = readBody(headersOf(lines), text.slice(headLength + HEAD_END.length), ended);
  return body === undefined ? undefined : { status: Number(digits), body };
}

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      if (colon <= 0) throw corrupt(`"${line.slice(0, 80)}" is no header`);
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function readBody(headers: ReadonlyMap<string, string>, rest: string, ended: boolean): string | undefined {
  if (rest.length > BODY_LENGTH_MAX) throw corrupt(`its body is longer than ${BODY_LENGTH_MAX} bytes`);
  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") return joinChunks(rest);
  const length = headers.get("content-length");
  if (length === undefined) return ended ? rest : undefined;
  if (!/^\d{1,9}$/.test(length) || Number(length) > BODY_LENGTH_MAX) throw corrupt(`its content-length is "${length}"`);
  return rest.length < Number(length) ? undefined : rest.slice(0, Number(length));
}

/** The content of all chunks; undefined while the last one is missing. */
function joinChunks(text: string): string | undefined {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf(LINE_END, at);
    if (lineEnd < 0) return undefined;
    const line = text.slice(at, lineEnd);
    const [, digits] = /^([0-9a-f]{1,7})(?:\s*;.*)?$/i.exec(line) ?? [];
    if (digits === undefined) throw corrupt(`"${line.slice(0, 80)}" is not the length of a chunk`);
    const length = Number.parseInt(digits, 16);
    const start = lineEnd + LINE_END.length;
    // What may follow the last chunk is no part of the body.
    if (length === 0) return parts.join("");
    at = start + length + LINE_END.length;
    if (text.length < at) return undefined;
    if (text.slice(start + length, at) !== LINE_END) throw corrupt("a chunk is longer than its length");
    parts.push(text.slice(start, start + length));
  }
}

function corrupt(problem: string): FlareError {
  return new FlareError("CORRUPT", `malformed HTTP response: ${problem}`);
}
