/**
 * The parsers of requests, as a session uses them: any bytes give the same requests and refusals wherever they are cut,
 * wherever they are in memory and whatever follows them.
 */

import { concatBytes, fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { BinaryParser } from "../../../lib/protocol/binary/binary_parser.ts";
import { BINARY_REQUEST } from "../../../lib/protocol/binary/binary_protocol.ts";
import { Command, CommandShape, CommandTable, commandName, shapeOf } from "../../../lib/protocol/command.ts";
import { Request } from "../../../lib/protocol/request.ts";
import { scanNumber } from "../../../lib/protocol/scan/scan_cursor.ts";
import { encodeScan, parseDeletePrefix, parseScan } from "../../../lib/protocol/scan/scan_request.ts";
import { ParseStatus, TextParser } from "../../../lib/protocol/text/text_parser.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";
import { binaryExchange, metaExchange, refusedExchange, textExchange } from "../request_grammar.ts";

const LIMITS = { lineBytesMax: 512, keyBytesMax: 250, valueBytesMax: 2000 };
/** The most a request may ask to be held: a header, extras, a key and a value, with some room. */
const NEEDED_MAX = 512 + 24 + 255 + 250 + 2000 + 2;
const COMMANDS = new CommandTable(Object.keys(Command) as (keyof typeof Command)[]);
const NODE_SYNC = "node sync 7\r\nNODE a 12121 0 0 0 1 16\r\nNODE b 12121 1 0 0 1 17\r\nEND\r\n";
/** A map has a limit of its own. */
const NODE_SYNC_START = /^(<[^>]*>)? *node +sync/;
const ORACLE = "any bytes give the same requests and refusals wherever they are cut and lie; nothing beyond the limits is held";

export const textTarget: FuzzTarget = {
  name: "text",
  oracle: ORACLE,
  open: () => Promise.resolve(new ParserSubject(textOrMeta)),
};

export const binaryTarget: FuzzTarget = {
  name: "binary",
  oracle: ORACLE,
  open: () => Promise.resolve(new ParserSubject((random) => binaryExchange(random).bytes)),
};

export const scanTarget: FuzzTarget = {
  name: "scan",
  oracle: "the words of scan and delete_prefix are understood or refused; what was understood is written and read the same",
  open: () =>
    Promise.resolve({
      generate: (random) => fromLatin1(scanWords(random)),
      run: runScan,
      close: () => Promise.resolve(),
    }),
};

function scanWords(random: SimRandom): string {
  const prefix = fromLatin1(random.pick(["", "k", "a key", "\r\n"]));
  const after = concatBytes([prefix, fromLatin1(random.pick(["", "x", "\0\xff"]))]);
  const cursor = random.chance(0.5) ? { scan: scanNumber(random.uint32(), random.uint32()), after } : undefined;
  const part = random.chance(0.5) ? { partition: random.between(0, 3), count: 4 } : undefined;
  const line = encodeScan({ limit: random.between(1, 1000), prefix, cursor, values: random.chance(0.5), part }, "");
  return latin1(line).trimEnd().split(" ").slice(1).join(" ");
}

function runScan(input: Uint8Array): Met {
  const words = latin1(input).split(" ");
  const met = new Set<string>();
  for (const fromNode of [false, true]) {
    const asked = parseScan(words, fromNode);
    met.add(typeof asked === "string" ? asked : "understood");
    if (typeof asked === "string") continue;
    const written = latin1(encodeScan(asked, "")).trimEnd().split(" ").slice(1);
    const again = parseScan(written, fromNode);
    const expected = JSON.stringify({ ...asked, base64: true });
    if (JSON.stringify(again) !== expected) throw new Error(`${expected} became ${JSON.stringify(again)}`);
  }
  const deletion = parseDeletePrefix(words);
  met.add(typeof deletion === "string" ? deletion : "deletion");
  return met;
}

function textOrMeta(random: SimRandom): string {
  if (random.chance(0.1)) return refusedExchange(random).bytes;
  if (random.chance(0.05)) return NODE_SYNC;
  const prefix = random.chance(0.1) ? "<a:1/b:2>" : "";
  return prefix + (random.chance(0.5) ? textExchange(random) : metaExchange(random)).bytes;
}

class ParserSubject implements FuzzSubject {
  readonly #request: (random: SimRandom) => string;

  constructor(request: (random: SimRandom) => string) {
    this.#request = request;
  }

  generate(random: SimRandom): Uint8Array {
    return fromLatin1(Array.from({ length: random.between(1, 6) }, () => this.#request(random)).join(""));
  }

  run(input: Uint8Array, random: SimRandom): Met {
    const whole = new Reading(random);
    whole.push(input);
    const cutUp = new Reading(random);
    for (const chunk of cut(input, random)) cutUp.push(chunk);
    for (let i = 0; i < Math.max(whole.found.length, cutUp.found.length); i++) {
      if (whole.found[i] !== cutUp.found[i]) throw new Error(`whole: ${whole.found[i]}, cut: ${cutUp.found[i]}`);
    }
    return whole.met;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Holds what is incomplete and parses it again, as a session does, in memory that moves and is full of other bytes. */
class Reading {
  readonly found: string[] = [];
  readonly met = new Set<string>();
  readonly #random: SimRandom;
  readonly #text = new TextParser(LIMITS, COMMANDS);
  readonly #binary = new BinaryParser(LIMITS);
  readonly #request = new Request();
  #held = new Uint8Array(0);
  #needed = 0;
  #scanned = 0;
  #swallow = 0;
  #ended = false;
  /** The keys of a multi-get that goes on. */
  #parts = "";

  constructor(random: SimRandom) {
    this.#random = random;
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    const offset = this.#random.between(0, 9);
    const end = offset + this.#held.length + chunk.length;
    const bytes = new Uint8Array(end + this.#random.between(0, 9)).fill(this.#random.pick([0x0a, 0x20, 0x61, 0]));
    bytes.set(this.#held, offset);
    bytes.set(chunk, offset + this.#held.length);
    const at = end - offset < this.#needed ? offset : this.#parse(bytes, offset, end);
    this.#held = bytes.slice(at, end);
  }

  #parse(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    let scanned = this.#scanned;
    this.#scanned = 0;
    this.#needed = 0;
    while (at < end) {
      if (this.#swallow > 0) {
        const skipped = Math.min(this.#swallow, end - at);
        this.#swallow -= skipped;
        at += skipped;
        continue;
      }
      const isBinary = bytes[at] === BINARY_REQUEST && this.#text.multiGet === undefined;
      const parser = isBinary ? this.#binary : this.#text;
      const status = isBinary
        ? this.#binary.parse(this.#request, bytes, at, end)
        : this.#text.parse(this.#request, bytes, at, end, scanned);
      scanned = 0;
      if (status === ParseStatus.more) {
        this.#needed = parser.needed;
        if (!isBinary) this.#scanned = this.#text.scanned;
        if (parser.needed > NEEDED_MAX) throw new Error(`${parser.needed} bytes are asked for`);
        if (parser.needed !== 0 && parser.needed <= end - at)
          throw new Error(`${parser.needed} bytes are here, more is asked for`);
        const isMap = NODE_SYNC_START.test(latin1(bytes, at, Math.min(end, at + LIMITS.lineBytesMax)));
        if (parser.needed === 0 && !isMap && end - at > LIMITS.lineBytesMax)
          throw new Error(`${end - at} bytes of a line are held`);
        return at;
      }
      if (status !== ParseStatus.fatal && (parser.position <= at || parser.position > end)) {
        throw new Error(`position ${parser.position} after a request in ${at} … ${end}`);
      }
      at = parser.position;
      this.#tell(status, isBinary, end);
      if (status === ParseStatus.fatal || status === ParseStatus.http) {
        this.#ended = true;
        return end;
      }
      this.#swallow = status === ParseStatus.reject ? parser.swallow : 0;
    }
    return at;
  }

  #tell(status: ParseStatus, isBinary: boolean, end: number): void {
    const { opcode, command } = this.#request;
    if (status === ParseStatus.request && !isBinary && this.#request.multiGet !== undefined) {
      const { bytes, keysStart, keysEnd, multiGet, isLastPart } = this.#request;
      this.#parts += slice(bytes, keysStart, keysEnd, end);
      this.#text.multiGet = isLastPart ? undefined : multiGet;
      if (isLastPart) this.found.push([commandName(command), "-", -1, false, 0, this.#parts].join("|"));
      if (isLastPart) this.#parts = "";
      return;
    }
    if (status === ParseStatus.request) {
      this.met.add(`${commandName(command)} ${opcode}`);
      this.found.push(describe(this.#request, end));
      return;
    }
    if (status === ParseStatus.http) {
      this.met.add("http");
      this.found.push("http");
      return;
    }
    const word = isBinary ? `${this.#binary.opcode} refused ${this.#binary.status}` : `refused ${this.#text.reject}`;
    this.met.add(word);
    this.found.push(`${status} ${word} swallow ${isBinary ? this.#binary.swallow : this.#text.swallow}`);
  }
}

/** What counts of a request, as text. @throws Error when a slice reaches beyond the bytes that came */
function describe(request: Request, end: number): string {
  const { command, prefix, opcode, opaque, noreply, syncMode, exptime, flareOrder, mutation, meta } = request;
  const head = [commandName(command), prefix ?? "-", opcode, noreply, syncMode];
  const keys = (): string => slice(request.bytes, request.keysStart, request.keysEnd, end);
  const key = (): string => slice(mutation.key.bytes, mutation.key.start, mutation.key.end, end);
  const value = (): string => slice(mutation.value, mutation.valueStart, mutation.valueEnd, end);
  switch (opcode >= 0 ? CommandShape.meta : shapeOf(command)) {
    case CommandShape.retrieval:
      return [...head, keys()].join("|");
    case CommandShape.touchRetrieval:
      return [...head, keys(), exptime, flareOrder].join("|");
    case CommandShape.key:
      return [...head, key()].join("|");
    case CommandShape.storage:
      return [...head, key(), value(), mutation.kind, mutation.flags, exptime, mutation.version].join("|");
    case CommandShape.arithmetic:
      return [...head, key(), mutation.kind, mutation.delta, exptime].join("|");
    case CommandShape.deletion:
    case CommandShape.touch:
      return [...head, key(), mutation.kind, exptime, mutation.version].join("|");
    case CommandShape.meta:
    case CommandShape.metaStorage:
      return [...head, opcode >= 0 ? opaque : keys(), key(), value(), exptime, JSON.stringify(meta, bigintAsText)].join("|");
    default:
      return [...head, ...request.words, ...(request.words[0] === "sync" ? request.lines : [])].join("|");
  }
}

function slice(bytes: Uint8Array, start: number, to: number, end: number): string {
  // A key that came as base64 lies in memory of its own.
  if (start > to || to > Math.max(end, bytes.length === to ? to : 0)) throw new Error(`slice ${start} … ${to} beyond ${end}`);
  return latin1(bytes, start, to);
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
