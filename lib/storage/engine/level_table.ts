/**
 * Verifies a LevelDB table: every block has a checksum, but LevelDB's binding does not verify it on reads, so a damaged block
 * may silently lose keys, or crash the process. Pure; no file access.
 */

import { crc32c } from "../../base/crc32c.ts";
import { LevelReader, unmaskLevelChecksum, userKeyOf } from "../directory/level_manifest.ts";

/** Keys in order, both ends included. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

interface BlockHandle {
  readonly offset: number;
  readonly bytes: number;
}

const FOOTER_BYTES = 48;
const MAGIC_LOW = 0x8b80fb57;
const MAGIC_HIGH = 0xdb477524;
/** After each block: its compression type and its checksum. */
const BLOCK_TRAILER_BYTES = 5;
const NO_COMPRESSION = 0;

/**
 * Verifies all blocks of a table with keys in the range `whole`, one block per step of the generator; returns the key ranges of
 * damaged blocks. Damage of the index or metadata counts as damage of all keys.
 */
export function* checkLevelTable(bytes: Uint8Array, whole: KeyRange): Generator<void, KeyRange[]> {
  const footer = bytes.length - FOOTER_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (footer < 0 || view.getUint32(footer + 40, true) !== MAGIC_LOW || view.getUint32(footer + 44, true) !== MAGIC_HIGH) {
    return [whole];
  }
  const reader = new LevelReader(bytes, footer);
  const meta = readHandle(reader);
  const index = readHandle(reader);
  if (!isGood(bytes, meta) || !isGood(bytes, index)) return [whole];
  // The filter, which answers for absent keys.
  for (const { handle } of entries(bytes, meta)) if (!isGood(bytes, handle)) return [whole];
  const damages: KeyRange[] = [];
  let from = whole.from;
  for (const { key, handle } of entries(bytes, index)) {
    // The key of an index entry is at or above the last key of its block, and below the first key of the next.
    const to = userKeyOf(key);
    if (!isGood(bytes, handle)) damages.push({ from, to });
    from = to;
    yield;
  }
  return damages;
}

function readHandle(reader: LevelReader): BlockHandle {
  return { offset: reader.number(), bytes: reader.number() };
}

function isGood(bytes: Uint8Array, { offset, bytes: length }: BlockHandle): boolean {
  const end = offset + length;
  if (end + BLOCK_TRAILER_BYTES > bytes.length) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return crc32c(bytes, offset, end + 1) === unmaskLevelChecksum(view.getUint32(end + 1, true));
}

/** The entries of a good block whose values are handles; none for a compressed block, which we never write. */
function* entries(
  bytes: Uint8Array,
  { offset, bytes: length }: BlockHandle,
): Generator<{ key: Uint8Array; handle: BlockHandle }> {
  const end = offset + length;
  if (bytes[end] !== NO_COMPRESSION) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const restarts = view.getUint32(end - 4, true);
  const reader = new LevelReader(bytes, offset, end - 4 - 4 * restarts);
  let key = new Uint8Array(0);
  while (!reader.isAtEnd) {
    const shared = reader.number();
    const added = reader.number();
    reader.number();
    const next = new Uint8Array(shared + added);
    next.set(key.subarray(0, shared));
    next.set(bytes.subarray(reader.at, reader.at + added), shared);
    reader.at += added;
    key = next;
    yield { key, handle: readHandle(reader) };
  }
}
