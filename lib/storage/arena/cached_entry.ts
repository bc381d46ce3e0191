/** The arena's view of an entry: the view of an item that may also be a tombstone or nothing. */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { CurrentKind } from "../../item/decide.ts";
import type { EntryView } from "../../item/entry.ts";

/** The arena's view of an entry of any kind: an `EntryView` that may also be a tombstone or nothing. */
export interface CachedEntry extends EntryView {
  kind: CurrentKind;
}

/** An empty view, for a storage to fill. */
export function emptyEntry(): CachedEntry {
  return {
    bytes: EMPTY_BYTES,
    headStart: 0,
    headEnd: 0,
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    flags: 0,
    expire: 0,
    version: 0,
    marks: 0,
    fetched: false,
    accessSeconds: 0,
    stable: false,
    kind: CurrentKind.absent,
  };
}
