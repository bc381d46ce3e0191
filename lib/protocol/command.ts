/**
 * The commands of the text protocol: one row per word, with the servers that support it, the shape of its arguments, and
 * whether it may change items. The parser looks words up here; each server has its own table of what to do with its commands,
 * which does not compile if one is missing. To add a command, start with a row here.
 */

import { fromLatin1 } from "../base/bytes.ts";

/** The arguments of a command. */
export const CommandShape = {
  /** `<key>…` */
  retrieval: 0,
  /** `<exptime> <key>…`, or Flare's `<key> <exptime>` */
  touchRetrieval: 1,
  /** `<key> <flags> <exptime> <bytes> [<version>] [option…]` and a data block */
  storage: 2,
  /** `<key> <delta> [option…]` */
  arithmetic: 3,
  /** `<key> [<time> [<version>]] [option…]` */
  deletion: 4,
  /** `<key> <exptime> [option…]` */
  touch: 5,
  /** free words, separated by spaces */
  words: 6,
  /** `<key> <flag>…` */
  meta: 7,
  /** `<key> <bytes> <flag>…` and a data block */
  metaStorage: 8,
  /** `<key>` */
  key: 9,
  /** `<word>… <bytes>` and a data block, see `BLOCK_WORDS` */
  block: 10,
} as const;
export type CommandShape = (typeof CommandShape)[keyof typeof CommandShape];

/** The properties of a command that do not depend on the server. */
interface CommandFacts {
  /** The servers that support it. */
  readonly at: "nodes" | "index servers" | "both";
  readonly shape: CommandShape;
  /** Whether it may change items, now or later. */
  readonly writes: boolean;
  /** Whether the binary protocol has it, too. */
  readonly binary?: true;
}

const { retrieval, touchRetrieval, storage, arithmetic, deletion, touch, words, meta, metaStorage, key, block } = CommandShape;

const COMMANDS = {
  get: { at: "nodes", shape: retrieval, writes: false },
  gets: { at: "nodes", shape: retrieval, writes: false },
  gat: { at: "nodes", shape: touchRetrieval, writes: true },
  gats: { at: "nodes", shape: touchRetrieval, writes: true },
  set: { at: "nodes", shape: storage, writes: true },
  add: { at: "nodes", shape: storage, writes: true },
  replace: { at: "nodes", shape: storage, writes: true },
  append: { at: "nodes", shape: storage, writes: true },
  prepend: { at: "nodes", shape: storage, writes: true },
  cas: { at: "nodes", shape: storage, writes: true },
  restore: { at: "nodes", shape: storage, writes: true },
  incr: { at: "nodes", shape: arithmetic, writes: true },
  decr: { at: "nodes", shape: arithmetic, writes: true },
  delete: { at: "nodes", shape: deletion, writes: true },
  touch: { at: "nodes", shape: touch, writes: true },
  ttl: { at: "nodes", shape: key, writes: false },
  // A read that touches, creates or wins is a write.
  mg: { at: "nodes", shape: meta, writes: true, binary: true },
  ms: { at: "nodes", shape: metaStorage, writes: true, binary: true },
  md: { at: "nodes", shape: meta, writes: true, binary: true },
  ma: { at: "nodes", shape: meta, writes: true, binary: true },
  mn: { at: "nodes", shape: words, writes: false, binary: true },
  me: { at: "nodes", shape: meta, writes: false },
  scan: { at: "nodes", shape: words, writes: false },
  delete_prefix: { at: "nodes", shape: words, writes: true },
  lru_crawler: { at: "nodes", shape: words, writes: false },
  keys: { at: "nodes", shape: words, writes: false },
  dump: { at: "nodes", shape: words, writes: false },
  dump_key: { at: "nodes", shape: words, writes: false },
  flush_all: { at: "nodes", shape: words, writes: true, binary: true },
  watch: { at: "nodes", shape: words, writes: false },
  cache_memlimit: { at: "nodes", shape: words, writes: false },
  // On a node it includes flushes.
  node: { at: "both", shape: words, writes: true },
  forward: { at: "nodes", shape: words, writes: false },
  lane: { at: "nodes", shape: words, writes: false },
  stream: { at: "nodes", shape: words, writes: false },
  beacon: { at: "nodes", shape: words, writes: false },
  block: { at: "nodes", shape: block, writes: true },
  ping: { at: "both", shape: words, writes: false },
  version: { at: "both", shape: words, writes: false, binary: true },
  verbosity: { at: "both", shape: words, writes: false, binary: true },
  stats: { at: "both", shape: words, writes: false, binary: true },
  show: { at: "both", shape: words, writes: false },
  kill: { at: "both", shape: words, writes: false },
  refresh_certs: { at: "both", shape: words, writes: false },
  quit: { at: "both", shape: words, writes: false, binary: true },
  meta: { at: "index servers", shape: words, writes: false },
  shutdown: { at: "index servers", shape: words, writes: false },
  relay: { at: "index servers", shape: words, writes: false },
  index: { at: "index servers", shape: words, writes: false },
} as const satisfies Readonly<Record<string, CommandFacts>>;

type Rows = typeof COMMANDS;

/** A command word of the text protocol. */
export type CommandWord = keyof Rows;
/** The number of words after a command of shape `block`; the last one is the length of its data. */
export const BLOCK_WORDS = 7;
/** The words with these properties. */
export type WordsWith<Facts extends Partial<CommandFacts>> = {
  [Word in CommandWord]: Rows[Word] extends Facts ? Word : never;
}[CommandWord];
/** The words of a node server. */
export type NodeWord = WordsWith<{ at: "nodes" | "both" }>;
/** The words of an index server. */
export type IndexWord = WordsWith<{ at: "index servers" | "both" }>;
/** The words that the binary protocol has, too. */
export type BinaryWord = WordsWith<{ binary: true }>;

declare const commandBrand: unique symbol;
/** The number of a command, as requests store it. */
export type Command = number & { readonly [commandBrand]: true };

const WORDS = Object.keys(COMMANDS) as readonly CommandWord[];
const SHAPES = WORDS.map((word) => COMMANDS[word].shape);
const WRITES = WORDS.map((word) => COMMANDS[word].writes);

/** The numbers of the commands, by their words. */
export const Command = Object.fromEntries(WORDS.map((word, number) => [word, number])) as Readonly<
  Record<CommandWord, Command>
>;

/** The word of a command. */
export function commandName(command: Command): CommandWord {
  return WORDS[command] as CommandWord;
}

export function shapeOf(command: Command): CommandShape {
  return SHAPES[command] as CommandShape;
}

/** Whether a command may change items. */
export function mayWrite(command: Command): boolean {
  return WRITES[command] as boolean;
}

/** Whether a word belongs to the binary protocol, too. */
export function isBinaryWord(word: CommandWord): word is BinaryWord {
  return "binary" in COMMANDS[word];
}

/** The words of one or several shapes. */
export function wordsOfShape<Shape extends CommandShape>(...shapes: readonly Shape[]): readonly WordsWith<{ shape: Shape }>[] {
  const isOne = (word: CommandWord): word is WordsWith<{ shape: Shape }> =>
    (shapes as readonly number[]).includes(COMMANDS[word].shape);
  return WORDS.filter(isOne);
}

interface WordEntry {
  readonly bytes: Uint8Array;
  readonly command: Command;
}

/** The words that a server supports. */
export class CommandTable {
  /** Whether `node sync` is followed by NODE lines up to END, as on servers that receive maps. */
  readonly takesNodeMaps: boolean;
  /** By the first byte of the word, so that a lookup compares only a few words. */
  readonly #words: (readonly WordEntry[] | undefined)[] = new Array(256).fill(undefined);

  constructor(commands: readonly CommandWord[], options: { readonly takesNodeMaps?: boolean } = {}) {
    this.takesNodeMaps = options.takesNodeMaps ?? true;
    for (const name of commands) {
      const bytes = fromLatin1(name);
      const first = bytes[0] as number;
      this.#words[first] = [...(this.#words[first] ?? []), { bytes, command: Command[name] }];
    }
  }

  /** The command whose word is exactly `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): Command | -1 {
    const words = this.#words[bytes[start] as number];
    if (words === undefined) return -1;
    const length = end - start;
    next: for (let w = 0; w < words.length; w++) {
      const word = words[w] as WordEntry;
      if (word.bytes.length !== length) continue;
      for (let i = 1; i < length; i++) if (bytes[start + i] !== word.bytes[i]) continue next;
      return word.command;
    }
    return -1;
  }
}
