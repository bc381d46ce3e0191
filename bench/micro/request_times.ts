/**
 * What it costs to measure the times of a sample of the requests: a chunk with a get through a whole session, with and without
 * that. Before anything is timed, the sample must have been taken.
 */

import { assert, assertEquals } from "@std/assert";
import { bench, do_not_optimize, run, summary } from "mitata";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { RequestTimes, SAMPLE_INTERVAL } from "../../lib/net/connection/request_times.ts";
import { Session, type SessionHost } from "../../lib/net/connection/session.ts";
import { BufferPool } from "../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable } from "../../lib/protocol/command.ts";
import type { Connection } from "../../lib/runtime/runtime.ts";

const CHUNK = fromLatin1("get session:user:0000000000000007919\r\n");

let last = "";
let written = 0;
const connection: Connection = {
  peer: "127.0.0.1:50000",
  write: (bytes) => {
    written += bytes.length;
    if (last === "") last = latin1(bytes);
    return true;
  },
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
  destroy: () => undefined,
};

function open(times: RequestTimes | undefined): Session {
  const host: SessionHost = {
    handler: { commands: new CommandTable(["get"]), handle: (_request, reply) => reply.end() },
    limits: { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1000, outputHighWaterBytes: 1 << 20 },
    requestMemory: { usedBytes: 0, bytesMax: 1 << 20 },
    buffers: new BufferPool(),
    traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
    monotonicMs: () => performance.now(),
    opened: () => undefined,
    closed: () => undefined,
    settleSoon: (session) => session.settle(),
    refusedHttp: () => undefined,
    unexpected: (error) => {
      throw error;
    },
    ...(times === undefined ? {} : { times }),
  };
  const session = new Session(1, connection, host);
  session.onOpen();
  return session;
}

const times = new RequestTimes();
const measured = open(times);
const unmeasured = open(undefined);
for (let i = 0; i < SAMPLE_INTERVAL; i++) {
  measured.onData(CHUNK);
  unmeasured.onData(CHUNK);
}
assertEquals([last, times.histograms.has(Command.get)], ["END\r\n", true]);
assert(written === 2 * SAMPLE_INTERVAL * last.length);

summary(() => {
  bench("a chunk with a get, not measured", () => do_not_optimize(unmeasured.onData(CHUNK)));
  bench("a chunk with a get, one in 64 measured", () => do_not_optimize(measured.onData(CHUNK)));
});

await run();
