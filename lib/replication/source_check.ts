/**
 * Whether the master that a slave is about to copy has the slave's data: checked before anything is dropped, because the local
 * data may be the last good copy. Looks up a sample of our keys there, with commands that every node answers. A few deletions
 * or missing writes are no reason to refuse; a master that lacks most of the sample is.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import { isKeyTooLong, MEMCACHED_KEY_BYTES_MAX } from "../item/key_length.ts";
import type { Peer } from "../net/peer/peer.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import type { Storage } from "../storage/storage.ts";

/** What the check needs. */
export interface SourceCheck {
  readonly storage: Storage;
  /** A connection to the master. */
  readonly peer: Peer;
  /** Whether a key belongs to the copied partition. */
  belongs(key: Uint8Array): boolean;
  /** The master's number of items; undefined: it does not say. */
  sourceItems(): Promise<number | undefined>;
}

/** The result of the sample. */
export interface SampleFigures {
  /** Keys looked up. */
  readonly asked: number;
  /** Of them: those missing at the master, and those with an older version there. */
  readonly missing: number;
  readonly older: number;
  /** All items there and here. */
  readonly sourceItems: number | undefined;
  readonly ownItems: number;
}

/** Keys looked up, and the number they are chosen from. */
const SAMPLE_KEYS = 64;
const WALKED_KEYS = 4096;
const SLICE_KEYS = 256;
const SLICE_BYTES = 262144;
/** Larger values are not worth the transfer. */
const VALUE_BYTES_MAX = 16384;

/** @throws FlareError REFUSED if the master has less data than this node | CONNECTION_FAILED | TIMED_OUT */
export async function checkSource(check: SourceCheck): Promise<void> {
  const sample = await sampleKeys(check);
  if (sample.size === 0) return;
  const answers = await Promise.all([...sample].map(([key, version]) => compareKey(check.peer, key, version)));
  const count = (wanted: string): number => answers.filter((answer) => answer === wanted).length;
  const reason = doubtOf({
    asked: sample.size,
    missing: count("missing"),
    older: count("older"),
    sourceItems: await check.sourceItems(),
    ownItems: check.storage.stats().items,
  });
  if (reason === undefined) return;
  throw new FlareError(
    "REFUSED",
    `master "${check.peer.peer}" ${reason}: copying it would destroy this node's data; nothing was changed. To discard this ` +
      'data: "flare slave --unsafe" or "flare reconstruct --unsafe"',
  );
}

/** Why a master must not replace the local data; undefined: it may. */
export function doubtOf({ asked, missing, older, sourceItems, ownItems }: SampleFigures): string | undefined {
  if (2 * older > asked) return `has older versions of ${older} of ${asked} keys looked up`;
  if (2 * (missing + older) <= asked || (sourceItems !== undefined && sourceItems >= ownItems)) return undefined;
  const there = sourceItems ?? "an unknown number of";
  return `has ${there} items, this node has ${ownItems}, and of ${asked} keys looked up it lacks ${missing + older}`;
}

/** Keys of the partition with their versions, sampled from its first keys. */
async function sampleKeys({ storage, belongs }: SourceCheck): Promise<Map<string, Uint64>> {
  const found: [key: string, version: Uint64][] = [];
  const cursor = storage.openCursor({ withoutValues: true });
  for (let walked = 0; walked < WALKED_KEYS; ) {
    const slice = await cursor.next(SLICE_KEYS, SLICE_BYTES);
    if (slice.length === 0) break;
    walked += slice.length;
    for (const { key, version, valueBytes } of slice) {
      if (valueBytes > VALUE_BYTES_MAX || !isWord(key) || !belongs(key)) continue;
      found.push([latin1(key), version]);
    }
  }
  const step = Math.max(1, Math.floor(found.length / SAMPLE_KEYS));
  return new Map(found.filter((_, index) => index % step === 0).slice(0, SAMPLE_KEYS));
}

/** A key that fits into a line of text, for every node. */
function isWord(key: Uint8Array): boolean {
  return !isKeyTooLong(key.length, MEMCACHED_KEY_BYTES_MAX) && key.every((byte) => byte > 0x20 && byte < 0x7f);
}

async function compareKey(peer: Peer, key: string, version: Uint64): Promise<"missing" | "older" | "there"> {
  const { line, body } = await peer.request(fromLatin1(`gets ${key}\r\n`), ReplyShape.values);
  if (line !== "END") {
    const text = `"${peer.peer}" answered "${line}" to the check of its data`;
    throw new FlareError("CONNECTION_FAILED", text, { retriable: true });
  }
  const text = /^VALUE \S+ \d+ \d+ (\d+)/.exec(latin1(body.subarray(0, 512)))?.[1];
  if (text === undefined) return "missing";
  const there = parseUint64(fromLatin1(text), 0, text.length);
  return there !== undefined && there < version ? "older" : "there";
}
