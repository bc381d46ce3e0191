/** Entries outside the arena: copies for delayed answers, and entries read from the engine when the arena has no room. */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import { ENGINE_HEADER_BYTES, type EngineRecord } from "../engine/engine_record.ts";
import type { CachedEntry } from "./cached_entry.ts";

/** Makes `target` the same entry with its own bytes; the two may be the same object. */
export function copyEntry<View extends EntryView>(source: EntryView, target: View): View {
  const shift = source.headStart;
  target.bytes = source.bytes.slice(source.headStart, source.valueEnd + 2);
  target.headEnd = source.headEnd - shift;
  target.keyStart = source.keyStart - shift;
  target.keyEnd = source.keyEnd - shift;
  target.valueStart = source.valueStart - shift;
  target.valueEnd = source.valueEnd - shift;
  target.headStart = 0;
  target.flags = source.flags;
  target.expire = source.expire;
  target.version = source.version;
  target.marks = source.marks;
  target.fetched = source.fetched;
  target.accessSeconds = source.accessSeconds;
  target.stable = true;
  return target;
}

/** Fills `target` with a reply-ready entry in new memory, of an engine's record. */
export function privateEntry(target: CachedEntry, key: KeySlice, record: EngineRecord, accessSeconds: number): void {
  const { kind, flags, expire, version, marks, bytes } = record;
  const valueStart = ENGINE_HEADER_BYTES;
  const valueEnd = bytes.length;
  const head = fromLatin1(`VALUE ${latin1(key.bytes, key.start, key.end)} ${flags} ${valueEnd - valueStart}\r\n`);
  const reply = new Uint8Array(head.length + valueEnd - valueStart + 2);
  reply.set(head);
  reply.set(bytes.subarray(valueStart, valueEnd), head.length);
  reply[reply.length - 2] = 13;
  reply[reply.length - 1] = 10;
  target.kind = kind;
  target.bytes = reply;
  target.headStart = 0;
  target.headEnd = head.length - 2;
  target.keyStart = 6;
  target.keyEnd = 6 + key.end - key.start;
  target.valueStart = head.length;
  target.valueEnd = reply.length - 2;
  target.flags = flags;
  target.expire = expire;
  target.version = version;
  target.marks = marks;
  target.fetched = false;
  target.accessSeconds = accessSeconds;
  target.stable = true;
}
