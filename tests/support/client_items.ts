/**
 * What every client stores in its conversation, whatever its language, so that one list says what must be found
 * afterwards. The programs in `tests/clients/programs` have the same values.
 */

import { unzipSync } from "node:zlib";
import { assert } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { type StoredItem, VALUE_BYTES_MAX } from "./client_cluster.ts";

/** A text with a word beyond ASCII, and with what looks like the end of an answer. */
export const TEXT = "wörld\r\nEND\r\n";
/** Every byte, four times, as latin-1. */
export const BINARY = String.fromCharCode(...Array.from({ length: 1024 }, (_, at) => at & 255));
/** A megabyte and a half. */
export const LARGE = "0123456789abcdef".repeat(3 << 15);
/** Longer than the cluster takes. */
export const TOO_LARGE = "x".repeat(VALUE_BYTES_MAX + (1 << 20));
/** Seconds for items that live a while. */
export const LIFETIME_SECONDS = 1000;
/** More than 30 days count as a moment: this one is in February 1970. */
export const PAST = 60 * 60 * 24 * 31;
/** Keys of one request, or requests sent one after the other. */
export const MANY = 1000;
/** Requests sent without waiting for an answer. */
export const QUIET = 100;

/**
 * What clients leave, by the part of the key behind the prefix; undefined = nothing.
 * @param flags that the client gives to texts, to bytes, and to numbers that can be counted with
 * @param without what this client leaves out
 */
export function commonItems(
  flags: { readonly text: number; readonly bytes: number; readonly counter: number },
  without: readonly string[] = [],
): Record<string, StoredItem | undefined> {
  const { text, bytes, counter } = flags;
  const items = {
    text: { flags: text, value: latin1(new TextEncoder().encode(TEXT)) },
    binary: { flags: bytes, value: BINARY },
    large: { flags: bytes, value: LARGE },
    empty: { flags: bytes, value: "" },
    added: { flags: bytes, value: "3" },
    joined: { flags: bytes, value: "<middle>" },
    swapped: { flags: bytes, value: "second" },
    counter: { flags: counter, value: "42" },
    lasting: { flags: bytes, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
    fading: { flags: bytes, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
    "many-7": { flags: text, value: "7" },
    "quiet-42": { flags: bytes, value: "42" },
    missing: undefined,
    expired: undefined,
    removed: undefined,
  };
  return Object.fromEntries(Object.entries(items).filter(([name]) => !without.includes(name)));
}

/** Expects a value that zlib or gzip made of `LARGE`. */
export function inflatesToLarge(value: string): void {
  assert(latin1(unzipSync(fromLatin1(value))) === LARGE, `${value.length} bytes are not what was compressed`);
}

/** Expects a value that is much shorter than `LARGE`, packed in some form of the client's own. */
export function isCompressed(value: string): void {
  assert(value.length > 0 && value.length < LARGE.length / 10, `${value.length} bytes`);
}
