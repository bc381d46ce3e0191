/**
 * The words of the text protocol and the shape of what follows each. The parser looks words up here, handlers switch
 * over the numbers; which words a server knows is decided by the table it is given.
 */

import { fromLatin1 } from "../base/bytes.ts";

export const Command = {
  get: 0,
  gets: 1,
  gat: 2,
  gats: 3,
  set: 4,
  add: 5,
  replace: 6,
  append: 7,
  prepend: 8,
  cas: 9,
  incr: 10,
  decr: 11,
  delete: 12,
  touch: 13,
  flush_all: 14,
  version: 15,
  verbosity: 16,
  quit: 17,
  stats: 18,
  ping: 19,
  dump: 20,
  dump_key: 21,
  keys: 22,
  show: 23,
  kill: 24,
  node: 25,
  meta: 26,
  shutdown: 27,
  mg: 28,
  ms: 29,
  md: 30,
  ma: 31,
  mn: 32,
  me: 33,
  watch: 34,
  scan: 35,
  delete_prefix: 36,
  lru_crawler: 37,
  cache_memlimit: 38,
  refresh_certs: 39,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

/** What follows a word on its line. */
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
  /** free words, split at blanks */
  words: 6,
  /** `<key> <flag>…`, of ms `<key> <bytes> <flag>…` and a data block */
  meta: 7,
} as const;
export type CommandShape = (typeof CommandShape)[keyof typeof CommandShape];

interface CommandWord {
  readonly bytes: Uint8Array;
  readonly command: Command;
}

/** The words a server understands. */
export class CommandTable {
  /** Whether NODE lines up to END follow `node sync`, as they do where maps are pushed to. */
  readonly takesNodeMaps: boolean;
  /** By first byte of the word, so that a look-up compares only a few words. */
  readonly #words: (readonly CommandWord[] | undefined)[] = new Array(256).fill(undefined);

  constructor(commands: readonly (keyof typeof Command)[], options: { readonly takesNodeMaps?: boolean } = {}) {
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
      const word = words[w] as CommandWord;
      if (word.bytes.length !== length) continue;
      for (let i = 1; i < length; i++) if (bytes[start + i] !== word.bytes[i]) continue next;
      return word.command;
    }
    return -1;
  }
}

const SHAPES: readonly CommandShape[] = buildShapes();

function buildShapes(): CommandShape[] {
  const shapes: CommandShape[] = Object.keys(Command).map(() => CommandShape.words);
  shapes[Command.get] = shapes[Command.gets] = CommandShape.retrieval;
  shapes[Command.gat] = shapes[Command.gats] = CommandShape.touchRetrieval;
  for (const name of ["set", "add", "replace", "append", "prepend", "cas"] as const) {
    shapes[Command[name]] = CommandShape.storage;
  }
  shapes[Command.incr] = shapes[Command.decr] = CommandShape.arithmetic;
  shapes[Command.delete] = CommandShape.deletion;
  shapes[Command.touch] = CommandShape.touch;
  for (const name of ["mg", "ms", "md", "ma", "me"] as const) shapes[Command[name]] = CommandShape.meta;
  return shapes;
}

export function shapeOf(command: Command): CommandShape {
  return SHAPES[command] as CommandShape;
}

const NAMES: readonly string[] = Object.keys(Command);

/** The word of a command. */
export function commandName(command: Command): string {
  return NAMES[command] as string;
}
