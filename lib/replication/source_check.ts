/**
 * Whether the master a slave is about to copy has what the slave has: asked before anything here is dropped, because what
 * is here may be the last good copy. A sample of our keys is looked up there, by commands that every node answers. Deletions
 * and writes that never arrived there are no reason to doubt; a master that lacks most of the sample is.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import type { Peer } from "../net/peer/peer.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import type { Storage } from "../storage/storage.ts";

/** What the check asks the master, and what it needs to know of the copy. */
export interface SourceCheck {
  readonly storage: Storage;
  /** A connection to the master. */
  readonly peer: Peer;
  /** Whether a key is one of the partition that is copied. */
  belongs(key: Uint8Array): boolean;
  /** Items the master says it has; undefined: it does not tell. */
  sourceItems(): Promise<number | undefined>;
}

/** What the sample says of the master. */
export interface SampleFigures {
  /** Keys asked for. */
  readonly asked: number;
  /** Of them: those the master does not have, and those of which it has an earlier version. */
  readonly missing: number;
  readonly older: number;
  /** All items there and here. */
  readonly sourceItems: number | undefined;
  readonly ownItems: number;
}

/** Keys asked for, and those they are chosen from. */
const SAMPLE_KEYS = 64;
const WALKED_KEYS = 4096;
const SLICE_KEYS = 256;
const SLICE_BYTES = 262144;
/** Larger values are not worth the transfer. */
const VALUE_BYTES_MAX = 16384;

/** @throws FlareError REFUSED if the master has less than what is here | CONNECTION_FAILED | TIMED_OUT if it cannot be asked */
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
    `master "${check.peer.peer}" ${reason}: a copy of it would destroy what is here; nothing was changed. To give up what is ` +
      'here: "flare slave --unsafe" or "flare reconstruct --unsafe"',
  );
}

/** Why a master must not be copied over what is here; undefined: nothing speaks against it. */
export function doubtOf({ asked, missing, older, sourceItems, ownItems }: SampleFigures): string | undefined {
  if (2 * older > asked) return `has older versions of ${older} of ${asked} keys looked up`;
  if (2 * (missing + older) <= asked || (sourceItems !== undefined && sourceItems >= ownItems)) return undefined;
  const there = sourceItems ?? "it does not tell how many";
  return `has ${there} items, here are ${ownItems}, and of ${asked} keys looked up it lacks ${missing + older}`;
}

/** Keys of the partition with their versions, spread over the first ones there are. */
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

/** A key every node can be asked for on a line of text. */
function isWord(key: Uint8Array): boolean {
  return key.length <= 250 && key.every((byte) => byte > 0x20 && byte < 0x7f);
}

async function compareKey(peer: Peer, key: string, version: Uint64): Promise<"missing" | "older" | "there"> {
  const { line, body } = await peer.request(fromLatin1(`gets ${key}\r\n`), ReplyShape.values);
  if (line !== "END") {
    const text = `"${peer.peer}" answered "${line}" when it was asked what it has`;
    throw new FlareError("CONNECTION_FAILED", text, { retriable: true });
  }
  const text = /^VALUE \S+ \d+ \d+ (\d+)/.exec(latin1(body.subarray(0, 512)))?.[1];
  if (text === undefined) return "missing";
  const there = parseUint64(fromLatin1(text), 0, text.length);
  return there !== undefined && there < version ? "older" : "there";
}
