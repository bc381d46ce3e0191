/**
 * What another cluster gets for a change: the complete item or deletion with its version, as a line of the text protocol, so
 * that it can be sent again and a C++ node understands it. A touch keeps the version of its item, so its line says only the new
 * expiry. Pure.
 */

import { latin1 } from "../../base/bytes.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { encodeOptions, encodeReplicatedDelete, encodeReplicatedSet, encodeTouch } from "../../protocol/text/text_client.ts";
import { LogKind, type LogReader } from "../../storage/log/log_record.ts";
import type { StoredItem } from "../../storage/storage.ts";

/** A change that is sent to another cluster. */
export interface Change {
  readonly line: Uint8Array;
  /** Of its record; 0 = it is an item of a copy. */
  readonly sequence: number;
  /** A touch of the item of this version. */
  readonly touch: { readonly key: string; readonly version: Uint64 } | undefined;
  /** It may have been sent before. */
  isRepeated: boolean;
}

/** Whether the text protocol can represent a key: no spaces and no control characters. */
export function canBeSaid(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] as number) <= 0x20 || bytes[i] === 0x7f) return false;
  return true;
}

/** The change of a record of a `put` or `delete`, in its own memory. */
export function changeOf(reader: LogReader, isRepeated: boolean): Change {
  const { bytes, keyStart, keyEnd, valueStart, valueEnd, sequence, flags, expire, version } = reader;
  const key = latin1(bytes, keyStart, keyEnd);
  const options = encodeOptions(reader, false);
  if (reader.kind === LogKind.delete) {
    return { line: encodeReplicatedDelete("", key, expire, version, options), sequence, touch: undefined, isRepeated };
  }
  if (reader.keepsVersion) {
    return { line: encodeTouch("", key, expire, false), sequence, touch: { key, version }, isRepeated };
  }
  const value = bytes.subarray(valueStart, valueEnd);
  return { line: encodeReplicatedSet("", key, flags, expire, version, value, options), sequence, touch: undefined, isRepeated };
}

/** An item or a tombstone of a copy. */
export function copyOf({ key, value, flags, expire, version, tombstone }: StoredItem): Change {
  const name = latin1(key);
  const line = tombstone
    ? encodeReplicatedDelete("", name, expire, version, "")
    : encodeReplicatedSet("", name, flags, expire, version, value, "");
  return { line, sequence: 0, touch: undefined, isRepeated: false };
}
