/**
 * Requests as clients make them, and as they should not: every command of the text, meta and binary protocols with usual and
 * unusual words, each with the form of its answer. It never loses the framing: the start of the next request is known even for
 * malformed ones, so that a marker after each must be answered.
 */

import { base64 } from "../../lib/base/base64.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { Opcode } from "../../lib/protocol/binary/binary_protocol.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";
import { packet, words } from "../support/binary_packets.ts";

/** The forms an answer can have. */
export const AnswerForm = {
  /** Nothing at all. */
  none: "none",
  /** One line. */
  line: "line",
  /** VALUE blocks up to END, or a line that refuses. */
  values: "values",
  /** One VALUE block without END, or a line. */
  value: "value",
  /** Lines up to END, or a line that refuses. */
  lines: "lines",
  /** A line of the meta protocol, behind VA a value. */
  meta: "meta",
  /** A packet. */
  packet: "packet",
  /** Packets up to one without a key. */
  packets: "packets",
} as const;
export type AnswerForm = (typeof AnswerForm)[keyof typeof AnswerForm];

/** A request and what is known of its answer. */
export interface Exchange {
  readonly bytes: string;
  readonly form: AnswerForm;
  /** It may be silent, because it is quiet. */
  readonly quiet?: boolean;
  /** Of a retrieval: the keys that may be answered, in this order. */
  readonly keys?: readonly string[];
  /** Comes back in the answer. */
  readonly opaque?: string;
  readonly opcode?: number;
  readonly opaqueNumber?: number;
}

/** Longest key and value of the servers these requests are for. */
export const KEY_BYTES_MAX = 250;
export const VALUE_BYTES_MAX = 2000;

const KEYS = ["a", "b", "c", "key", "VALUE", "END", "\x80\xff", "k:1", "0", "get", "<x>", "k".repeat(KEY_BYTES_MAX)];
const BINARY_KEYS = [...KEYS, "a key", "line\r\nend", "\0", "tab\t", " "];
const EXPTIMES = ["0", "0", "0", "-1", "100", "2592000", "2592001", "4294967295", "4000000000"];
const NUMBERS = ["0", "1", "7", "4294967295", "18446744073709551615", "9007199254740993"];
const JUNK = [
  "",
  " ",
  "nonsense",
  "GET a",
  "get",
  "set",
  "set a",
  "incr a",
  "touch a",
  "gat",
  "\x81 a",
  "<",
  "<>",
  "mg",
  "ms a",
];
const BAD_LINES = ["set a x 0 -1", "set a 0 0 -1", "set a 0 0", "incr a x", "incr a", "touch a x", "ms a S1", "ma a D"];

/** Any request. */
export function anyExchange(random: SimRandom): Exchange {
  const roll = random.between(0, 99);
  if (roll < 40) return textExchange(random);
  if (roll < 65) return metaExchange(random);
  if (roll < 90) return binaryExchange(random);
  return refusedExchange(random);
}

/** A request that must be answered, with a number nobody else uses. */
export function marker(number: number, random: SimRandom): Exchange {
  if (random.chance(0.5)) {
    const opaque = `Om${number}`;
    return { bytes: `mg ~marker ${opaque}\r\n`, form: AnswerForm.meta, opaque };
  }
  const opaqueNumber = 0x70000000 + number;
  const bytes = packet({ opcode: Opcode.noop, opaque: opaqueNumber });
  return { bytes, form: AnswerForm.packet, opcode: Opcode.noop, opaqueNumber };
}

export function textExchange(random: SimRandom): Exchange {
  const key = random.pick(KEYS);
  switch (random.between(0, 13)) {
    case 0:
    case 1:
    case 2: {
      const keys = Array.from({ length: random.between(1, random.chance(0.1) ? 40 : 4) }, () => random.pick(KEYS));
      return { bytes: `${random.pick(["get", "gets"])} ${keys.join(blank(random))}\r\n`, form: AnswerForm.values, keys };
    }
    case 3: {
      const keys = [key, random.pick(KEYS)];
      const command = random.pick(["gat", "gats"]);
      return { bytes: `${command} ${random.pick(EXPTIMES)} ${keys.join(" ")}\r\n`, form: AnswerForm.values, keys };
    }
    case 4:
      if (key === "0") return { bytes: "version\r\n", form: AnswerForm.line };
      return { bytes: `gat ${key} ${random.pick(EXPTIMES)}\r\n`, form: AnswerForm.value, keys: [key] };
    case 5:
    case 6:
    case 7: {
      const command = random.pick(["set", "set", "set", "add", "replace", "append", "prepend", "cas"]);
      const data = value(random);
      const version = command === "cas" ? ` ${random.pick(NUMBERS)}` : random.chance(0.1) ? ` ${random.between(1, 5)}` : "";
      const silent = random.chance(0.2);
      const head = `${command} ${key} ${random.pick(["0", "5", "4294967295"])} ${random.pick(EXPTIMES)} ${data.length}`;
      const bytes = `${head}${version}${options(random, silent)}\r\n${data}\r\n`;
      return { bytes, form: silent ? AnswerForm.none : AnswerForm.line };
    }
    case 8: {
      const silent = random.chance(0.2);
      const bytes = `${random.pick(["incr", "decr"])} ${key} ${random.pick(NUMBERS)}${options(random, silent)}\r\n`;
      return { bytes, form: silent ? AnswerForm.none : AnswerForm.line };
    }
    case 9: {
      const silent = random.chance(0.2);
      const time = random.pick(["", " 0", " 0 3"]);
      const bytes = `delete ${key}${time}${options(random, silent)}\r\n`;
      return { bytes, form: silent ? AnswerForm.none : AnswerForm.line };
    }
    case 10: {
      const silent = random.chance(0.2);
      const bytes = `touch ${key} ${random.pick(EXPTIMES)}${options(random, silent)}\r\n`;
      return { bytes, form: silent ? AnswerForm.none : AnswerForm.line };
    }
    case 11:
      if (random.chance(0.5)) {
        const prefix = random.pick(["", " pk", " p", " b", " pa b"]);
        if (random.chance(0.1)) return { bytes: `delete_prefix ${random.between(1, 3)} pk\r\n`, form: AnswerForm.line };
        return { bytes: `scan ${random.between(1, 3)}${prefix}\r\n`, form: AnswerForm.lines };
      }
      return { bytes: random.pick(["keys k 3\r\n", "dump_key\r\n", "stats items\r\n"]), form: AnswerForm.lines };
    case 12:
      return operatorExchange(random);
    default: {
      const line = random.pick(["version", "verbosity 1", "ping", "flush_all", "mn"]);
      return { bytes: `${line}${random.chance(0.2) ? "\n" : "\r\n"}`, form: AnswerForm.line };
    }
  }
}

/** What memcached's operators and their tools say. */
function operatorExchange(random: SimRandom): Exchange {
  switch (random.between(0, 3)) {
    case 0:
      return { bytes: `lru_crawler ${random.pick(CRAWLER_WORDS)}\r\n`, form: AnswerForm.line };
    case 1: {
      const listing = `${random.pick(["metadump", "mgdump"])} ${random.pick(["all", "hash", "1", "1,2", "x", ""])}`;
      return { bytes: `lru_crawler ${listing}\r\n`, form: AnswerForm.lines };
    }
    case 2:
      return {
        bytes: `cache_memlimit${random.pick([" 16", "", " 0", " x", " -1", " 99999999999"])}\r\n`,
        form: AnswerForm.line,
      };
    default:
      if (random.chance(0.3)) return { bytes: `stats ${random.pick(STATS_SWITCHES)}\r\n`, form: AnswerForm.line };
      return { bytes: `stats ${random.pick(STATS_WORDS)}\r\n`, form: AnswerForm.lines };
  }
}

const CRAWLER_WORDS = [
  "enable",
  "disable",
  "sleep 100",
  "sleep x",
  "sleep",
  "tocrawl 7",
  "tocrawl",
  "crawl all",
  "crawl 1,x",
  "x",
];
const STATS_SWITCHES = ["reset", "detail on", "detail off", "detail", "detail x"];
const STATS_WORDS = [
  ...["settings", "slabs", "sizes", "sizes_enable", "sizes_disable", "conns", "threads", "prefix", "detail dump"],
  ...["cachedump 1 5", "cachedump 1", "cachedump x y", "nonsense", "reset now"],
];

export function metaExchange(random: SimRandom): Exchange {
  const isBase64 = random.chance(0.2);
  const plain = random.pick(isBase64 ? BINARY_KEYS : KEYS);
  const key = isBase64 ? base64(fromLatin1(plain), 0, plain.length) : plain;
  const command = random.pick(["mg", "mg", "mg", "ms", "ms", "md", "ma", "me"]);
  if (command === "me") return { bytes: `me ${key}${isBase64 ? " b" : ""}\r\n`, form: AnswerForm.line };
  const opaque = random.chance(0.5) ? `O${random.between(0, 999)}` : undefined;
  const quiet = random.chance(0.2);
  const flags = [...FLAGS[command as keyof typeof FLAGS]].filter(() => random.chance(0.25));
  const taken = flags.map((flag) => flag + argumentOf(flag, random));
  const line = random.shuffle([...taken, isBase64 ? "b" : "", quiet ? "q" : "", opaque ?? ""].filter((word) => word !== ""));
  const data = value(random);
  const length = command === "ms" ? ` ${data.length}` : "";
  const tail = command === "ms" ? `${data}\r\n` : "";
  const bytes = `${command} ${key}${length} ${line.join(" ")}\r\n${tail}`;
  return { bytes, form: AnswerForm.meta, quiet, ...(opaque === undefined ? {} : { opaque }) };
}

const FLAGS = { mg: "cfhklstuvNRTE", ms: "ckCEFIMTs", md: "kCEITx", ma: "cktvCDJNMT" } as const;

function argumentOf(flag: string, random: SimRandom): string {
  switch (flag) {
    case "C":
    case "D":
    case "E":
    case "J":
      return random.pick(NUMBERS);
    case "F":
      return random.pick(["0", "7", "4294967295"]);
    case "N":
    case "R":
    case "T":
      return random.pick(EXPTIMES);
    case "M":
      return random.pick(["S", "E", "A", "P", "R", "I", "D", "+", "x"]);
    default:
      return "";
  }
}

export function binaryExchange(random: SimRandom): Exchange {
  const key = random.pick(BINARY_KEYS);
  const opaqueNumber = random.between(0, 0xffff);
  const cas = random.chance(0.2) ? random.between(1, 4) : 0;
  const exptime = random.pick([0, 0, 0, 100, 0xffffffff]);
  const make = (opcode: number, quiet: boolean, rest: { extras?: string; key?: string; value?: string } = {}): Exchange => {
    const bytes = packet({ opcode, opaque: opaqueNumber, cas, ...rest });
    return { bytes, form: AnswerForm.packet, quiet, opcode, opaqueNumber };
  };
  switch (random.between(0, 8)) {
    case 0:
    case 1: {
      const opcode = random.pick([Opcode.get, Opcode.getKey, Opcode.getQuiet, Opcode.getKeyQuiet]);
      return make(opcode, opcode === Opcode.getQuiet || opcode === Opcode.getKeyQuiet, { key });
    }
    case 2: {
      const opcode = random.pick([Opcode.touch, Opcode.touchAndGet, Opcode.touchAndGetQuiet, Opcode.touchAndGetKeyQuiet]);
      const quiet = opcode === Opcode.touchAndGetQuiet || opcode === Opcode.touchAndGetKeyQuiet;
      return make(opcode, quiet, { key, extras: words(exptime) });
    }
    case 3:
    case 4: {
      const opcode = random.pick([
        Opcode.set,
        Opcode.add,
        Opcode.replace,
        Opcode.setQuiet,
        Opcode.addQuiet,
        Opcode.replaceQuiet,
      ]);
      return make(opcode, opcode >= Opcode.setQuiet, {
        key,
        extras: words(random.between(0, 9), exptime),
        value: value(random),
      });
    }
    case 5: {
      const opcode = random.pick([Opcode.append, Opcode.prepend, Opcode.appendQuiet, Opcode.prependQuiet]);
      return make(opcode, opcode >= Opcode.appendQuiet, { key, value: value(random) });
    }
    case 6: {
      const opcode = random.pick([Opcode.increment, Opcode.decrement, Opcode.incrementQuiet, Opcode.decrementQuiet]);
      const extras = words(0, random.between(0, 9), 0, 5, random.pick([0, 0xffffffff]));
      return make(opcode, opcode >= Opcode.incrementQuiet, { key, extras });
    }
    case 7: {
      const opcode = random.pick([Opcode.delete, Opcode.deleteQuiet]);
      return make(opcode, opcode === Opcode.deleteQuiet, { key });
    }
    default: {
      if (random.chance(0.2)) return { ...make(Opcode.stat, false, { key: "items" }), form: AnswerForm.packets };
      if (random.chance(0.2)) return make(random.pick([0x20, 0x40, 0x77, 0xff]), false, { value: value(random) });
      if (random.chance(0.2)) return make(Opcode.verbosity, false, { extras: words(1) });
      return make(random.pick([Opcode.noop, Opcode.version, Opcode.flush]), false);
    }
  }
}

/** A request that is refused with one answer, whose end is known all the same. */
export function refusedExchange(random: SimRandom): Exchange {
  const key = random.pick(KEYS);
  const longKey = "x".repeat(KEY_BYTES_MAX + random.between(1, 20));
  const large = "y".repeat(VALUE_BYTES_MAX + random.between(1, 50));
  const opaqueNumber = random.between(0, 0xffff);
  switch (random.between(0, 7)) {
    case 0:
      return { bytes: `${random.pick(JUNK)}\r\n`, form: AnswerForm.line };
    case 1:
      return { bytes: `${random.pick(BAD_LINES)}\r\n`, form: AnswerForm.line };
    case 2:
      return { bytes: `set ${key} 0 0 3\r\n${random.pick(["abcde", "ab\r\nx", "abc\n\r"])}`, form: AnswerForm.line };
    case 3:
      return { bytes: `set ${key} 0 0 ${large.length}\r\n${large}\r\n`, form: AnswerForm.line };
    case 4:
      return { bytes: `ms ${key} ${large.length} q\r\n${large}\r\n`, form: AnswerForm.line };
    case 5: {
      const bytes = packet({ opcode: Opcode.set, extras: words(0, 0), key: "a", value: large, opaque: opaqueNumber });
      return { bytes, form: AnswerForm.packet, opcode: Opcode.set, opaqueNumber };
    }
    case 6: {
      const data = random.chance(0.5) ? value(random) : `delete ${key}\r\n${random.pick(JUNK)}\r\nquit\r\n`;
      const head = random.pick([
        "set a x 0 #",
        "append a 0 x #",
        `add ${longKey} 0 0 #`,
        "cas a 0 0 #",
        "cas a 0 0 # x",
        "ms a # Y q",
      ]);
      return { bytes: `${head.replace("#", String(data.length))}\r\n${data}\r\n`, form: AnswerForm.line };
    }
    default:
      return { bytes: `${random.pick(["get", "incr", "mg", "touch"])} ${longKey} 1\r\n`, form: AnswerForm.line };
  }
}

function value(random: SimRandom): string {
  switch (random.between(0, 6)) {
    case 0:
      return "";
    case 1:
      return String(random.between(0, 99));
    case 2:
      return random.pick([
        "END\r\n",
        "VALUE a 0 1\r\nx\r\nEND\r\n",
        "\r\n",
        "EN\r\nmn\r\n",
        "\x81\0\0\0",
        "18446744073709551615",
      ]);
    case 3:
      return "v".repeat(random.between(1, random.chance(0.1) ? VALUE_BYTES_MAX : 100));
    default:
      return String.fromCharCode(...Array.from({ length: random.between(1, 30) }, () => random.between(0, 255)));
  }
}

function options(random: SimRandom, silent: boolean): string {
  const found = silent ? [" noreply"] : [];
  if (random.chance(0.1)) found.push(random.pick([" sync", " async"]));
  return random.shuffle(found).join("");
}

function blank(random: SimRandom): string {
  return random.chance(0.1) ? "  " : " ";
}
