/**
 * What a hit costs from the bytes of a request to the bytes of its answer, without the socket: the text get, the meta get
 * and the binary get of the same items, sixteen in a chunk. Before anything is timed, all must answer the same values.
 */

import { assert, assertEquals } from "@std/assert";
import { bench, run, summary } from "mitata";
import { concatBytes, fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Connection, ConnectionHandler, Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../mod.ts";
import { packet } from "../../tests/support/binary_packets.ts";

const KEYS = 1024;
const DEPTH = 16;
const VALUE = "v".repeat(100);

/** Takes what is written and forgets it, or keeps it while asked to. */
class Sink implements Connection {
  readonly peer = "bench:1";
  kept: string | undefined;
  count = 0;

  write(bytes: Uint8Array): boolean {
    this.count += bytes.length;
    if (this.kept !== undefined) this.kept += latin1(bytes);
    return true;
  }

  pause(): void {}
  resume(): void {}
  close(): void {}
  destroy(): void {}
}

const real = detectRuntime({ logLevel: "error" });
const accepts: ((connection: Connection) => ConnectionHandler)[] = [];
const transport = Object.create(real.transport) as Runtime["transport"];
transport.connect = (...given) => real.transport.connect(...given);
transport.listen = (address, accept, options) => {
  accepts.push(accept);
  return real.transport.listen(address, accept, options);
};
const cluster = await LocalCluster.start({ ...real, transport }, { logLevel: "error" });

const sink = new Sink();
const session = accepts.at(-1)?.(sink);
assert(session !== undefined);
session.onOpen();

function exchange(bytes: Uint8Array): string {
  sink.kept = "";
  session?.onData(bytes);
  const answer = sink.kept;
  sink.kept = undefined;
  return answer;
}

const keys = Array.from({ length: KEYS }, (_, i) => `session:user:${String(i * 7919).padStart(8, "0")}`);
for (const key of keys) session.onData(fromLatin1(`set ${key} 0 0 ${VALUE.length}\r\n${VALUE}\r\n`));
await new Promise((resolve) => setTimeout(resolve, 50));

/** Chunks of `DEPTH` requests over all keys. */
function chunks(encode: (key: string) => string): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let i = 0; i < KEYS; i += DEPTH) made.push(concatBytes(keys.slice(i, i + DEPTH).map((key) => fromLatin1(encode(key)))));
  return made;
}

const requests: Readonly<Record<string, Uint8Array[]>> = {
  "get key": chunks((key) => `get ${key}\r\n`),
  "mg key v": chunks((key) => `mg ${key} v\r\n`),
  "mg key f v t": chunks((key) => `mg ${key} f v t\r\n`),
  "binary get": chunks((key) => packet({ opcode: 0, key })),
};
for (const [name, made] of Object.entries(requests)) {
  const answers = made.map(exchange).join("");
  assertEquals(answers.split(VALUE).length - 1, KEYS, name);
}

summary(() => {
  for (const [name, made] of Object.entries(requests)) {
    let at = 0;
    bench(`${name}, ${DEPTH} in a chunk`, () => {
      at = at + 1 === made.length ? 0 : at + 1;
      session.onData(made[at] as Uint8Array);
    });
  }
});

await run();
await cluster.stop();
