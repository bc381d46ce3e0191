/**
 * The records of one append to the change log, as they are in the file, for whoever follows the log: replication ships them to
 * the replicas. A block ends where a record ends. Pure.
 */

import { FlareError } from "../../base/errors.ts";
import { LogReader, logRecordLength } from "./log_record.ts";

export interface LogBlock {
  /** The records, one after the other. */
  readonly bytes: Uint8Array;
  readonly firstSequence: number;
  readonly records: number;
  /** Their checksums begin with it. */
  readonly salt: number;
}

/** A block as pieces of at most `bytesMax` bytes each, except where one record is larger. */
export function splitBlock(block: LogBlock, bytesMax: number): readonly LogBlock[] {
  const { bytes, salt } = block;
  if (bytes.length <= bytesMax) return [block];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: LogBlock[] = [];
  let firstSequence = block.firstSequence;
  let start = 0;
  let records = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = at + logRecordLength(view, at);
    if (records > 0 && end - start > bytesMax) {
      pieces.push({ bytes: bytes.subarray(start, at), firstSequence, records, salt });
      firstSequence += records;
      start = at;
      records = 0;
    }
    records++;
    at = end;
  }
  pieces.push({ bytes: bytes.subarray(start), firstSequence, records, salt });
  return pieces;
}

/**
 * Calls `each` at every record of a block; the reader is only valid during the call.
 * @throws FlareError CORRUPT before the first call, unless all of it is intact
 */
export function readBlock(block: LogBlock, each: (reader: LogReader) => void): void {
  checkBlock(block);
  const reader = new LogReader(block.bytes, block, 0);
  while (reader.nextIntact()) each(reader);
}

function checkBlock(block: LogBlock): void {
  const reader = new LogReader(block.bytes, block, 0);
  let records = 0;
  while (reader.next()) records++;
  if (records === block.records && reader.damages.length === 0 && reader.end === block.bytes.length) return;
  const what = `block of ${block.records} record(s) from ${block.firstSequence} is damaged`;
  throw new FlareError("CORRUPT", `${what}: ${records} of them are intact`);
}
