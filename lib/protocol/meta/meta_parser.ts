/**
 * Parses the flags of a meta command. The first byte of a word identifies the flag; each flag may appear only once. The error
 * texts are memcached's. Pure, and without garbage for lower-case flags.
 */

import { parseUint64 } from "../../base/uint64.ts";
import { Command } from "../command.ts";
import { parseFlags, parseInteger } from "../numbers.ts";
import type { Request } from "../request.ts";
import { BAD_FLAG, BAD_LINE } from "../text/refusal_lines.ts";
import { MetaArgument, MetaFlag, type MetaFlags } from "./meta_flags.ts";

const BAD_TOKEN = "CLIENT_ERROR bad token in command line format";
const OPAQUE_BYTES_MAX = 32;
const SPACE = 0x20;

const KNOWN_FLAGS = Object.values(MetaFlag).reduce((bits, bit) => bits | bit, 0);
const KNOWN_ARGUMENTS = Object.values(MetaArgument).reduce((bits, bit) => bits | bit, 0);
/** Only other nodes send these. */
const NODE_ARGUMENTS = MetaArgument.W | MetaArgument.X;

/**
 * Parses the flags in `bytes[from, lineEnd)` into `request.meta`; the request's command and prefix must be set. Returns the
 * error line, empty = valid.
 */
export function parseMetaFlags(request: Request, bytes: Uint8Array, from: number, lineEnd: number): string {
  const { meta } = request;
  meta.reset();
  request.exptime = 0;
  let error = "";
  for (let at = from; at < lineEnd; ) {
    if (bytes[at] === SPACE) {
      at++;
      continue;
    }
    const code = bytes[at] as number;
    const start = at + 1;
    while (at < lineEnd && bytes[at] !== SPACE) at++;
    if (code >= 0x61 && code <= 0x7a) {
      const bit = 1 << (code - 0x61);
      if ((KNOWN_FLAGS & bit) === 0) return refusal(request, "CLIENT_ERROR invalid flag");
      if ((meta.flags & bit) !== 0) return refusal(request, "CLIENT_ERROR duplicate flag");
      meta.flags |= bit;
    } else if (code >= 0x41 && code <= 0x5a) {
      const bit = 1 << (code - 0x41);
      if ((KNOWN_ARGUMENTS & bit) === 0) return refusal(request, "CLIENT_ERROR invalid flag");
      if ((NODE_ARGUMENTS & bit) !== 0 && request.prefix === undefined) return refusal(request, "CLIENT_ERROR invalid flag");
      if ((meta.arguments & bit) !== 0) return refusal(request, "CLIENT_ERROR duplicate flag");
      meta.arguments |= bit;
      const fault = parseArgument(request, meta, bit, bytes, start, at);
      if (fault !== "") error = fault;
    } else {
      return refusal(request, code >= 127 ? "CLIENT_ERROR duplicate flag" : "CLIENT_ERROR invalid flag");
    }
  }
  return error;
}

/** The errors of md and ma do not distinguish what is wrong with a flag. */
function refusal(request: Request, text: string): string {
  const { command } = request;
  return command === Command.md || command === Command.ma ? BAD_FLAG : text;
}

/** Parses the argument `bytes[start, end)` of one flag; returns the error line. */
function parseArgument(request: Request, meta: MetaFlags, bit: number, bytes: Uint8Array, start: number, end: number): string {
  switch (bit) {
    case MetaArgument.T:
    case MetaArgument.N:
    case MetaArgument.R: {
      const exptime = parseInteger(bytes, start, end);
      if (Number.isNaN(exptime)) return refusal(request, BAD_TOKEN);
      if (bit === MetaArgument.T) request.exptime = exptime;
      else if (bit === MetaArgument.N) meta.vivifyExptime = exptime;
      else {
        meta.recacheExptime = exptime;
        meta.recacheFirst = (meta.arguments & MetaArgument.T) === 0;
      }
      return "";
    }
    case MetaArgument.F:
      meta.clientFlags = start === end ? Number.NaN : parseFlags(bytes, start, end);
      return Number.isNaN(meta.clientFlags) ? refusal(request, BAD_LINE) : "";
    case MetaArgument.M:
      meta.mode = bytes[start] ?? 0;
      return end - start === 1 ? "" : refusal(request, "CLIENT_ERROR incorrect length for M token");
    case MetaArgument.O:
      return end - start < OPAQUE_BYTES_MAX ? "" : "CLIENT_ERROR opaque token too long";
    case MetaArgument.C:
    case MetaArgument.E:
    case MetaArgument.D:
    case MetaArgument.J: {
      const number = parseUint64(bytes, start, end);
      if (number === undefined) return refusal(request, numberRefusal(bit));
      if (bit === MetaArgument.C) meta.compare = number;
      else if (bit === MetaArgument.E) meta.newVersion = number;
      else if (bit === MetaArgument.D) meta.delta = number;
      else meta.initial = number;
      return "";
    }
    default:
      return "";
  }
}

function numberRefusal(bit: number): string {
  if (bit === MetaArgument.D) return "CLIENT_ERROR invalid numeric delta value";
  return bit === MetaArgument.J ? "CLIENT_ERROR invalid numeric initial value" : BAD_TOKEN;
}
