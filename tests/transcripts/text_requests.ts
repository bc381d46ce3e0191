/**
 * Requests of the text protocol from a seed: sensible ones on a few keys, and all ways to get one wrong that memcached's
 * parser knows. `{cas}` stands for the version a server gives the key, which is its own.
 */

/** A small generator of random numbers (mulberry32), so that a seed names its requests for ever. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

export interface TextRequest {
  readonly text: string;
  /** The key it is about. */
  readonly key: string;
}

const KEYS = ["a", "b", "c", "n1", "n2", `${"k".repeat(249)}x`];
const STORES = ["set", "set", "set", "add", "replace", "append", "prepend"];
const FLAGS = ["0", "0", "0", "1", "42", "65535", "4294967295"];
const WRONG_FLAGS = ["-1", "x", "4294967296", "18446744073709551615", "18446744073709551616", "1x", "+5", "0x10"];
const EXPTIMES = ["0", "0", "0", "100", "2592000", "2592001", "-1", "-100", "2147483647", "1000"];
const WRONG_EXPTIMES = ["x", "1x", "+100", "", "99999999999999999999", "0x10"];
const WRONG_LENGTHS = ["-1", "x", "2147483646", "2147483647", "4294967296", "1x"];
const DELTAS = ["0", "1", "5", "9", "10", "99", "18446744073709551615", "18446744073709551614", "9223372036854775808"];
const WRONG_DELTAS = ["-1", "x", "18446744073709551616", "99999999999999999999999", "1x", "+5", "0x10", "1.5"];
const VALUES = [
  "",
  "x",
  "abc",
  "0",
  "9",
  "10",
  "12345",
  "18446744073709551615",
  "18446744073709551616",
  "12x",
  " 7",
  "7 ",
  "-5",
  "5\r\n",
  "5\n",
  "5\0",
  "+5",
  "\t5",
  "0000000000000000000000007",
];
const TAILS = ["", "", "", "", " noreply", " NOREPLY", " foo", " foo noreply", " noreply foo"];
const OTHER = [
  "",
  " ",
  "bogus",
  "GET a",
  "get",
  "gets",
  "get  a",
  " get a",
  "get a ",
  "get a\0b",
  "gat",
  "gat 0",
  "gats",
  "gats 0",
  "gats x a",
  "gat x a",
  "gats a 0",
  "set",
  "set a",
  "set a 0",
  "set a 0 0",
  "cas a 0 0 1\r\nx\r\n",
  "cas a 0 0",
  "cas a 0 0 1 x\r\nx\r\n",
  "incr",
  "incr a",
  "decr",
  "decr a",
  "incr a noreply",
  "touch",
  "touch a",
  "touch a noreply",
  "delete",
  "delete a 0",
  "delete a noreply",
  "delete a 0 noreply",
  "delete a x",
  "delete a x noreply",
  "delete a -1",
  "delete a 0 0 0",
  "verbosity",
  "verbosity 0",
  "verbosity 1",
  "verbosity 1 2",
  "verbosity x",
  "verbosity -1",
  "verbosity noreply",
  "verbosity 1 noreply",
  "verbosity x noreply",
  "verbosity 1 2 3",
  "verbosity 1 2 3 4",
  "verbosity 4294967296",
  "flush_all",
  "flush_all 0",
  "flush_all -1",
  "flush_all noreply",
  "flush_all 0 noreply",
  "flush_all x",
  "flush_all x noreply",
  "flush_all 0 1",
  "flush_all 0 1 2",
  "flush_all noreply 0",
  "flush_all noreply noreply",
  "flush_all 99999999999999999999",
  "flush_all 1x",
  "flush_all 0x1",
  "flush_all -0",
  "cache_memlimit",
  "cache_memlimit x",
  "cache_memlimit -1",
  "cache_memlimit 1",
  "cache_memlimit 7",
  "cache_memlimit 8",
  "cache_memlimit 64",
  "cache_memlimit 64 noreply",
  "cache_memlimit noreply",
  "cache_memlimit 1 noreply",
  "cache_memlimit 64 foo",
  "cache_memlimit 64 foo bar",
  "stats foo",
  "stats reset",
  "stats reset foo",
  "stats detail",
  "stats detail foo",
  "stats detail off",
  "stats sizes",
  "stats sizes_enable",
  "stats sizes_disable",
  "me",
  "me nothing",
  "mg",
  "ms",
  "ms a",
  "ms a x",
  "md",
  "ma",
  "mg a y",
  "watch foo",
  "slabs",
  "slabs foo",
  "lru",
  "shutdown",
  "misbehave",
  "refresh_certs",
  "extstore",
  "version",
  `get ${"k".repeat(250)}`,
  `get ${"k".repeat(251)}`,
  `get a ${"k".repeat(251)}`,
  `incr ${"k".repeat(251)} 1`,
  `touch ${"k".repeat(251)} 0`,
  `delete ${"k".repeat(251)}`,
  `gat 0 ${"k".repeat(251)}`,
  `set ${"k".repeat(251)} 0 0 1\r\nx`,
  `get ${"k".repeat(8192)}`,
];

/** The next request. */
export function nextRequest(dice: Dice): TextRequest {
  const key = dice.pick(KEYS);
  const tail = dice.pick(TAILS);
  const kind = dice.below(100);
  const wrong = dice.below(12) === 0;
  const exptime = wrong && dice.below(2) === 0 ? dice.pick(WRONG_EXPTIMES) : dice.pick(EXPTIMES);
  if (kind < 30) {
    const value = dice.pick(VALUES);
    const flags = wrong && dice.below(2) === 0 ? dice.pick(WRONG_FLAGS) : dice.pick(FLAGS);
    const length = wrong && dice.below(3) === 0 ? dice.pick([...WRONG_LENGTHS, `+${value.length}`]) : `${value.length}`;
    return { key, text: `${dice.pick(STORES)} ${key} ${flags} ${exptime} ${length}${tail}\r\n${value}\r\n` };
  }
  if (kind < 38) {
    const version = dice.pick(["{cas}", "{cas}", "0", "99999999", "18446744073709551615", "18446744073709551616", "x", "-1"]);
    const value = dice.pick(VALUES);
    return { key, text: `cas ${key} ${dice.pick(FLAGS)} ${exptime} ${value.length} ${version}${tail}\r\n${value}\r\n` };
  }
  if (kind < 52) {
    const keys = Array.from({ length: dice.below(3) }, () => dice.pick(KEYS));
    return { key, text: `${dice.pick(["get", "gets"])} ${[key, ...keys].join(" ")}\r\n` };
  }
  if (kind < 60) return { key, text: `${dice.pick(["gat", "gats"])} ${exptime} ${key}\r\n` };
  if (kind < 65) return { key, text: `touch ${key} ${exptime}${tail}\r\n` };
  if (kind < 77) {
    const delta = wrong ? dice.pick(WRONG_DELTAS) : dice.pick(DELTAS);
    return { key, text: `${dice.pick(["incr", "decr"])} ${key} ${delta}${tail}\r\n` };
  }
  if (kind < 83) return { key, text: `delete ${key}${tail}\r\n` };
  if (kind < 86) {
    const value = dice.pick(VALUES);
    return { key, text: `set ${key} 0 0 ${value.length}\r\n${value}${dice.pick(["z\r\n", "\n\r\n", "\r\r\n", "zz\r\n"])}` };
  }
  return { key, text: `${dice.pick(OTHER)}${dice.pick(["\r\n", "\r\n", "\r\n", "\n"])}` };
}

/** All keys requests are about. */
export const REQUEST_KEYS: readonly string[] = KEYS;
