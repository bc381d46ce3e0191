/**
 * The change log: encoding a change of 100 bytes with its checksum, and reading a log again.
 */

import { assertEquals } from "@std/assert";
import { bench, run } from "mitata";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { ChangeLog } from "../../lib/storage/log/change_log.ts";
import { decodeLogHeader, LogReader, type LogSegmentHeader } from "../../lib/storage/log/log_record.ts";
import { logSegmentName } from "../../lib/storage/log/log_segment.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";

const CHANGES = 1000;
const KEY_BYTES = 14;
const bytes = fromLatin1(`key:0000000001${"v".repeat(100)}`);

const keyAndValue = { keyStart: 0, keyEnd: KEY_BYTES, valueStart: KEY_BYTES, valueEnd: bytes.length };
const entry = { bytes, ...keyAndValue, flags: 0, expire: 0, version: 0, marks: 0 };

const files = new MemoryFiles();
const runtime = { ...detectRuntime(), files };
const log = ChangeLog.open(runtime, "log", 1 << 30, [], 1);

function putAll(): void {
  for (let i = 0; i < CHANGES; i++) {
    entry.version = i + 1;
    log.put(entry, 1);
  }
}

putAll();
log.append();
const segment = files.content(`log/${logSegmentName(1)}`);
const header = decodeLogHeader(segment, "log") as LogSegmentHeader;

function readAll(): number {
  const reader = new LogReader(segment, header);
  let records = 0;
  while (reader.next()) records++;
  return records;
}

assertEquals(readAll(), CHANGES);

bench(`encode and append ${CHANGES} changes`, () => {
  putAll();
  log.append();
  files.files.get(`log/${logSegmentName(1)}`)?.reset(segment.length);
});
bench(`read ${CHANGES} changes`, readAll);
await run();
