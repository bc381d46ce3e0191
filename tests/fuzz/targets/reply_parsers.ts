/**
 * The parsers of other servers' output: replies of nodes, dumps, VALUE blocks. A peer may send anything: the result is the same
 * wherever it is cut, nothing throws except where that is the result, and memory stays within the limits.
 */

import { DumpFileParser } from "../../../lib/admin/dump_file_parser.ts";
import { DumpFormat, encodeItems, encodeRecords } from "../../../lib/admin/dump_format.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import type { BackupRecord } from "../../../lib/client/dump.ts";
import { parseValues } from "../../../lib/client/value_blocks.ts";
import { DUMP_LINE_BYTES_MAX, DumpParser } from "../../../lib/protocol/dump_parser.ts";
import { parseMetaAnswer } from "../../../lib/protocol/meta/meta_client.ts";
import { MALFORMED, ReplyParser, ReplyShape } from "../../../lib/protocol/text/text_client.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";

const REPLY_BYTES_MAX = 1000;
const SHAPES = Object.values(ReplyShape);
const LINES = ["STORED", "END", "ERROR", "CLIENT_ERROR x", "SERVER_ERROR y", "OK", "NOT_FOUND", "5", "HD", "EN", "NF c1"];

export const replyTarget = pureTarget(
  "reply",
  "what a peer says gives the same replies, or is malformed, wherever it is cut; none is longer than allowed",
  replies,
  runReplies,
);

export const dumpTarget = pureTarget(
  "dump",
  "any answer to dump gives the same items, wherever its bytes are cut, within the limits, with numbers that fit",
  dump,
  runDump,
);

export const dumpFileTarget = pureTarget(
  "dump_file",
  "a dump file gives the same items or the same refusal wherever it is cut; items written out again are read the same",
  dumpFile,
  runDumpFile,
);

export const valuesTarget = pureTarget(
  "values",
  "VALUE blocks give items that lie within them, or a refusal",
  (random) => Array.from({ length: random.between(1, 4) }, () => valueBlock(random)).join(""),
  runValues,
);

/** A target without state. */
export function pureTarget(
  name: string,
  oracle: string,
  make: (random: SimRandom) => string,
  run: (input: Uint8Array, random: SimRandom) => Met,
): FuzzTarget {
  const subject: FuzzSubject = { generate: (random) => fromLatin1(make(random)), run, close: () => Promise.resolve() };
  return { name, oracle, open: () => Promise.resolve(subject) };
}

function text(random: SimRandom): string {
  const length = random.between(0, random.chance(0.1) ? 1200 : 20);
  return String.fromCharCode(...Array.from({ length }, () => random.between(0, 255)));
}

function valueBlock(random: SimRandom, more = ""): string {
  const value = text(random);
  const version = more === "" && random.chance(0.5) ? ` ${random.between(0, 9)}` : more;
  const head = `VALUE ${random.pick(["a", "key", "\x80"])} ${random.pick(["0", "7", "4294967295"])} ${value.length}${version}`;
  return `${head}\r\n${value}\r\n`;
}

/** The first byte says in which shapes the replies behind it are expected. */
function replies(random: SimRandom): string {
  let made = String.fromCharCode(random.between(0, 255));
  for (let i = random.between(1, 5); i > 0; i--) {
    const value = text(random);
    made += random.pick([
      () => `${random.pick(LINES)}\r\n`,
      () => `${valueBlock(random)}${valueBlock(random)}END\r\n`,
      () => valueBlock(random),
      () => `STAT a 1\r\nSTAT b ${random.between(0, 9)}\r\nEND\r\n`,
      () => `KEY a 1\r\nKEY b 2\r\nNEXT ${random.between(0, 9)}\r\n`,
      () => `VA ${value.length} c1 f2\r\n${value}\r\n`,
    ])();
  }
  return made;
}

function runReplies(input: Uint8Array, random: SimRandom): Met {
  const shapes = shapesFrom(input[0] ?? 0);
  const met = new Set<string>();
  const whole = readReplies([input.subarray(1)], shapes, met);
  const cutUp = readReplies(cut(input.subarray(1), random), shapes, met);
  if (whole.join("\n") !== cutUp.join("\n")) throw new Error(`whole: ${JSON.stringify(whole)}, cut: ${JSON.stringify(cutUp)}`);
  return met;
}

function shapesFrom(byte: number): (at: number) => ReplyShape {
  return (at) => SHAPES[(byte + (byte >> 4) * at) % SHAPES.length] as ReplyShape;
}

function readReplies(chunks: readonly Uint8Array[], shapes: (at: number) => ReplyShape, met: Set<string>): string[] {
  const parser = new ReplyParser(REPLY_BYTES_MAX);
  const found: string[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (;;) {
      const shape = shapes(found.length);
      const reply = parser.next(shape);
      if (reply === undefined) break;
      if (reply === MALFORMED) return [...found, MALFORMED];
      const { line, body } = reply;
      if (line.length + body.length > REPLY_BYTES_MAX) throw new Error(`a reply of ${line.length + body.length} bytes`);
      if (shape === ReplyShape.meta) parseMetaAnswer(reply);
      met.add(`${shape} ${LINES.includes(line) ? line : "other"} ${body.length > 0}`);
      found.push(`${shape} ${line} ${latin1(body)}`);
    }
    if (parser.heldBytes > REPLY_BYTES_MAX) throw new Error(`${parser.heldBytes} bytes are held of one reply`);
  }
  return found;
}

function dump(random: SimRandom): string {
  let made = "";
  for (let i = random.between(0, 5); i > 0; i--) {
    const tail = random.pick(["", "", " b", " X", " W", " b X W", " D", " b D", " unknown"]);
    made += valueBlock(random, ` ${random.between(0, 9)} ${random.pick(["0", "1700000000", "4294967295"])}${tail}`);
  }
  return `${made}${random.pick(["END", "END", "SERVER_ERROR database busy", ""])}\r\n`;
}

function runDump(input: Uint8Array, random: SimRandom): Met {
  const met = new Set<string>();
  const whole = readDump([input], met);
  const cutUp = readDump(cut(input, random), met);
  if (whole.join("\n") !== cutUp.join("\n")) throw new Error(`whole: ${JSON.stringify(whole)}, cut: ${JSON.stringify(cutUp)}`);
  return met;
}

function readDump(chunks: readonly Uint8Array[], met: Set<string>): string[] {
  const parser = new DumpParser(REPLY_BYTES_MAX);
  const found: string[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (;;) {
      const what = parser.next();
      if (what === "more") break;
      met.add(what);
      if (what === "bad") return [...found, what];
      if (what === "end") return [...found, parser.lastLine];
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, flags, version, expire, marks, tombstone } = parser.item;
      if (flags > 0xffffffff || expire > 0xffffffff) throw new Error(`flags ${flags} or expire ${expire} do not fit`);
      if (valueEnd - valueStart > REPLY_BYTES_MAX) throw new Error(`a value of ${valueEnd - valueStart} bytes`);
      met.add(`item ${marks} ${tombstone}`);
      const [key, value] = [latin1(bytes, keyStart, keyEnd), latin1(bytes, valueStart, valueEnd)];
      found.push([key, value, flags, version, expire, marks, tombstone].join());
    }
    const held = parser.heldBytes;
    if (held > DUMP_LINE_BYTES_MAX + REPLY_BYTES_MAX + 2) throw new Error(`${held} bytes are held of one item`);
  }
  return found;
}

/** The first byte tells the form. */
function dumpFile(random: SimRandom): string {
  const format = random.pick(Object.values(DumpFormat));
  const items = Array.from({ length: random.between(1, 4) }, () => {
    const tombstone = format === DumpFormat.default && random.chance(0.3);
    const [key, value] = [fromLatin1(`k${text(random)}`), fromLatin1(tombstone ? "" : text(random))];
    return { key, value, flags: random.uint32(), version: random.uint32(), expire: random.uint32(), tombstone };
  });
  return (format === DumpFormat.csv ? "c" : "d") + encoded(items, format);
}

/** Deletions have a form in the default format only. */
function encoded(items: readonly BackupRecord[], format: DumpFormat): string {
  return latin1(format === DumpFormat.csv ? encodeItems(items, format) : encodeRecords(items));
}

function runDumpFile(input: Uint8Array, random: SimRandom): Met {
  const format = input[0] === 0x63 ? DumpFormat.csv : DumpFormat.default;
  const whole = readDumpFile([input.subarray(1)], format);
  const cutUp = readDumpFile(cut(input.subarray(1), random), format);
  if (whole.fault !== cutUp.fault) throw new Error(`whole: ${whole.fault}, cut: ${cutUp.fault}`);
  const texts = [whole.items, cutUp.items].map((items) => encoded(items, format));
  if (texts[0] !== texts[1]) throw new Error(`whole: ${JSON.stringify(texts[0])}, cut: ${JSON.stringify(texts[1])}`);
  const again = readDumpFile([fromLatin1(texts[0] as string)], format);
  if (again.fault !== "" || encoded(again.items, format) !== texts[0]) {
    throw new Error(`written out again: ${again.fault}, ${JSON.stringify(texts[0])}`);
  }
  return new Set([`${format} ${kindOf(whole.fault)}`, `${whole.items.some(({ tombstone }) => tombstone)}`]);
}

function readDumpFile(chunks: readonly Uint8Array[], format: DumpFormat): { items: BackupRecord[]; fault: string } {
  const parser = new DumpFileParser(format);
  const items: BackupRecord[] = [];
  try {
    for (const chunk of chunks) {
      parser.push(chunk);
      for (let item = parser.next(); item !== undefined; item = parser.next()) items.push(item);
    }
    const last = parser.last();
    if (last !== undefined) items.push(last);
    return { items, fault: "" };
  } catch (error) {
    return { items, fault: corruption(error) };
  }
}

function runValues(input: Uint8Array): Met {
  try {
    const items = parseValues(input);
    const bytes = items.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    if (bytes > input.length) throw new Error(`${bytes} bytes of items in ${input.length}`);
    return new Set([`${items.length} items`]);
  } catch (error) {
    return new Set([kindOf(corruption(error))]);
  }
}

/** The message of a refusal. @throws whatever is none */
export function corruption(error: unknown, code = "CORRUPT"): string {
  if (!(error instanceof FlareError) || error.code !== code) throw error;
  return error.message;
}

/** What kind of refusal a message is, without the values it names. */
export function kindOf(message: string): string {
  return message.replace(/["\d][\s\S]*/, "").slice(0, 60);
}
