/**
 * What writing replies costs: hits, versions, outcomes and numbers into a connection's segment, and the segment to a
 * sink. Before anything is timed, the bytes must be the protocol's.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run, summary } from "mitata";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { EntryView } from "../../lib/item/entry.ts";
import { type Applied, MutationResult } from "../../lib/item/mutation.ts";
import { BufferPool } from "../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../lib/protocol/reply_segment.ts";
import { TextReply } from "../../lib/protocol/text/text_reply.ts";
import { emptyEntry } from "../../lib/storage/arena/cached_entry.ts";

const REPLIES = 16;
const VALUE = "v".repeat(100);
const HEAD = `VALUE session:user:0000000000000007919 0 ${VALUE.length}`;

const bytes = fromLatin1(`${HEAD}\r\n${VALUE}\r\n`);
const headEnd = HEAD.length;
const entry: EntryView = Object.assign(emptyEntry(), {
  ...{ bytes, headStart: 0, headEnd, keyStart: 6, keyEnd: HEAD.indexOf(" 0 "), stable: false },
  ...{ valueStart: headEnd + 2, valueEnd: headEnd + 2 + VALUE.length, version: 12345 },
});
const stored = { result: MutationResult.stored, entry, number: 0, error: "" } as Applied;

const reply = new TextReply(new ReplySegment(new BufferPool()));
let sent = "";
let count = 0;
const kept = {
  write(chunk: Uint8Array): boolean {
    sent += latin1(chunk);
    return true;
  },
};
const counted = {
  write(chunk: Uint8Array): boolean {
    count += chunk.length;
    return true;
  },
};

const cases: Readonly<Record<string, { readonly put: () => void; readonly text: string }>> = {
  hit: { put: () => reply.value(entry, false), text: `${HEAD}\r\n${VALUE}\r\n` },
  "hit with version": { put: () => reply.value(entry, true), text: `${HEAD} 12345\r\n${VALUE}\r\n` },
  miss: { put: () => reply.end(), text: "END\r\n" },
  STORED: { put: () => reply.applied(stored), text: "STORED\r\n" },
  number: { put: () => reply.number(4294967295), text: "4294967295\r\n" },
  line: { put: () => reply.line("SERVER_ERROR proxy error"), text: "SERVER_ERROR proxy error\r\n" },
};
for (const [name, { put, text }] of Object.entries(cases)) {
  sent = "";
  put();
  reply.segment.drainTo(kept);
  assertEquals(sent, text, name);
}

summary(() => {
  for (const [name, { put }] of Object.entries(cases)) {
    bench(`${REPLIES} × ${name}, one write`, () => {
      for (let i = 0; i < REPLIES; i++) put();
      reply.segment.drainTo(counted);
      return do_not_optimize(count);
    });
  }
});

await run();
