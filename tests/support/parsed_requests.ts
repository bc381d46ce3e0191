/** What the text parser makes of bytes, in the words of a test. */

import { Command, CommandTable } from "../../lib/protocol/command.ts";
import { Request } from "../../lib/protocol/request.ts";
import { ParseStatus, TextParser } from "../../lib/protocol/text/text_parser.ts";

export const ALL_COMMANDS = new CommandTable(Object.keys(Command) as (keyof typeof Command)[]);
export const PARSER_LIMITS = { lineBytesMax: 4096, keyBytesMax: 250, valueBytesMax: 1000 };

/** Requests as `describe` says them, refusals as `reject …`, `http` where it stops at that, and how many bytes are left. */
export function parseAll(bytes: Uint8Array, describe: (request: Request) => string): { said: string[]; rest: number } {
  const parser = new TextParser(PARSER_LIMITS, ALL_COMMANDS);
  const request = new Request();
  const said: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const status = parser.parse(request, bytes, at, bytes.length, 0);
    if (status === ParseStatus.more) break;
    at = parser.position;
    if (status === ParseStatus.request) said.push(describe(request));
    else if (status === ParseStatus.http) {
      said.push("http");
      break;
    } else {
      said.push(`reject ${parser.reject}`);
      at += parser.swallow;
      if (status === ParseStatus.fatal) break;
    }
  }
  return { said, rest: Math.max(0, bytes.length - at) };
}
