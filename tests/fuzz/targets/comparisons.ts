/** What nodes and operators say to each other when replicas are compared: understood or refused, and never something else. */

import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import {
  compareCommand,
  type DigestRequest,
  digestLine,
  encodeDigestRequest,
  encodeItemStates,
  pageLines,
  parseCompareRequest,
  parseDigestLine,
  parseDigestRequest,
  parseItemStates,
  parsePage,
} from "../../../lib/protocol/comparison.ts";
import { ReplyParser, ReplyShape } from "../../../lib/protocol/text/text_client.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import type { Met } from "../fuzz_target.ts";
import { pureTarget } from "./reply_parsers.ts";

const REPLY_BYTES_MAX = 10_000;

export const comparisonTarget = pureTarget(
  "comparison",
  "what is said in a comparison of replicas is understood or refused; what was understood is written and read the same",
  made,
  run,
);

function made(random: SimRandom): string {
  const key = () => fromLatin1(random.pick(["k", "a key", "\r\n\0\xff", "k".repeat(300)]));
  const end = () => (random.chance(0.5) ? undefined : key());
  const digest = random.pick(["0123456789abcdef", "ffffffffffffffff"]);
  const items = random.between(0, 1000);
  switch (random.between(0, 4)) {
    case 0: {
      const part = { partition: random.between(0, 3), count: 4 };
      const asked: DigestRequest = random.chance(0.3)
        ? { ...part, of: "keys", keys: Array.from({ length: random.between(1, 3) }, key) }
        : { ...part, of: random.pick(["range", "items"] as const), after: key(), to: end() };
      return latin1(encodeDigestRequest(asked));
    }
    case 1:
      return `${compareCommand({ host: "h", port: "1", after: key(), repair: random.chance(0.5) })}\r\n`;
    case 2:
      return `${digestLine({ items, digest, reached: end() })}\r\n`;
    case 3: {
      const states = Array.from({ length: random.between(0, 3) }, () => ({ key: key(), version: items, expire: 0, digest }));
      return encodeItemStates({ items: states, reached: end() });
    }
    default: {
      const difference = { key: key(), masterVersion: items, replicaVersion: undefined, isRepaired: random.chance(0.5) };
      const differences = Array.from({ length: random.between(0, 3) }, () => difference);
      return `${pageLines({ differences, items, busy: random.between(0, 3), reached: end() }).join("\r\n")}\r\n`;
    }
  }
}

function run(input: Uint8Array): Met {
  const met = new Set<string>();
  const text = latin1(input);
  const lines = text.split("\r\n").slice(0, -1);
  const words = (lines[0] ?? "").split(" ").slice(2);
  const again = <T>(what: string, parsed: T | undefined, rewrite: (value: T) => T | undefined): void => {
    met.add(parsed === undefined ? `no ${what}` : what);
    if (parsed === undefined) return;
    const [first, second] = [parsed, rewrite(parsed)].map(shown);
    if (first !== second) throw new Error(`${what}: ${first} became ${second}`);
  };
  again("question", parseDigestRequest(words), (asked) =>
    parseDigestRequest(latin1(encodeDigestRequest(asked)).trimEnd().split(" ").slice(2)),
  );
  again("command", parseCompareRequest(words), (asked) => parseCompareRequest(compareCommand(asked).split(" ").slice(2)));
  again("digest", parseDigestLine(lines[0] ?? ""), (digest) => parseDigestLine(digestLine(digest)));
  again("page", parsePage(lines), (page) => parsePage(pageLines(page)));
  again("items", itemsIn(text), (items) => itemsIn(encodeItemStates(items)));
  return met;
}

/** The items in an answer, if a connection would take it for one. */
function itemsIn(text: string): ReturnType<typeof parseItemStates> {
  const parser = new ReplyParser(REPLY_BYTES_MAX);
  parser.push(fromLatin1(text));
  const reply = parser.next(ReplyShape.scan);
  return typeof reply === "object" ? parseItemStates(reply) : undefined;
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
}
