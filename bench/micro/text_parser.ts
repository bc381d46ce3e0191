/**
 * What reading a request costs: chunks as they come from a socket, parsed request by request. Before anything is timed,
 * each chunk must give the requests that were put into it.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run, summary } from "mitata";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { Command, CommandTable } from "../../lib/protocol/command.ts";
import { Request } from "../../lib/protocol/request.ts";
import { ParseStatus, TextParser } from "../../lib/protocol/text/text_parser.ts";

const DEPTH = 16;
const KEYS_PER_GET = 50;
const VALUE = "v".repeat(100);
const key = (number: number): string => `session:user:${String(number * 7919).padStart(19, "0")}`;

const words = new CommandTable(Object.keys(Command) as (keyof typeof Command)[]);
const parser = new TextParser({ lineBytesMax: 1048576, keyBytesMax: 8191, valueBytesMax: 1048576 }, words);
const request = new Request();

/** Parses a chunk to its end; the number of requests in it. */
function parseAll(chunk: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < chunk.length; at = parser.position) {
    if (parser.parse(request, chunk, at, chunk.length, 0) !== ParseStatus.request) return -1;
    count++;
  }
  return count;
}

const many = (line: (number: number) => string): Uint8Array =>
  fromLatin1(Array.from({ length: DEPTH }, (_, i) => line(i)).join(""));
const chunks: Readonly<Record<string, Uint8Array>> = {
  [`${DEPTH} × get`]: many((i) => `get ${key(i)}\r\n`),
  [`${DEPTH} × set, ${VALUE.length} bytes`]: many((i) => `set ${key(i)} 0 0 ${VALUE.length}\r\n${VALUE}\r\n`),
  [`${DEPTH} × incr`]: many((i) => `incr ${key(i)} 1\r\n`),
  [`${DEPTH} × delete`]: many((i) => `delete ${key(i)}\r\n`),
};
for (const [name, chunk] of Object.entries(chunks)) assertEquals(parseAll(chunk), DEPTH, name);

const sets = chunks[`${DEPTH} × set, ${VALUE.length} bytes`] ?? new Uint8Array(0);
assertEquals(parser.parse(request, sets, 0, sets.length, 0), ParseStatus.request);
const { mutation } = request;
assertEquals(latin1(mutation.key.bytes, mutation.key.start, mutation.key.end), key(0));
assertEquals(latin1(mutation.value, mutation.valueStart, mutation.valueEnd), VALUE);

const multiget = fromLatin1(`get ${Array.from({ length: KEYS_PER_GET }, (_, i) => key(i)).join(" ")}\r\n`);
assertEquals(parseAll(multiget), 1);
assertEquals(latin1(request.bytes, request.keysStart, request.keysEnd).trim().split(" ").length, KEYS_PER_GET);

summary(() => {
  for (const [name, chunk] of Object.entries(chunks)) bench(name, () => do_not_optimize(parseAll(chunk)));
  bench(`1 × get of ${KEYS_PER_GET} keys`, () => do_not_optimize(parseAll(multiget)));
});

await run();
