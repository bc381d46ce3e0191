/**
 * SIGTERM under load: no acknowledged write is lost, every received request was answered before its connection closed, the
 * status is 0, and the next start has nothing to replay.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clientRuntime, NodeDaemon } from "../support/daemon.ts";
import type { LineClient } from "../support/line_client.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const CLIENTS = 8;
const BURST = 50;
const VALUE_BYTES = 500;
const RUN_MS = 700;
const STOP_MS_MAX = 15000;

describe("SIGTERM under load", () => {
  for (const fsync of ["interval", "always"] as const) {
    it(`keeps what was acknowledged, ends with status 0 and starts without replay (fsync ${fsync})`, async () => {
      await withTemporaryDirectory(async (directory) => {
        const node = await NodeDaemon.start(clientRuntime(), directory, ["--fsync", fsync]);
        try {
          const clients = await Promise.all(Array.from({ length: CLIENTS }, () => node.connect()));
          const stored = new Map<string, string>();
          const sent = new Map<string, string>();
          const loads = clients.map((client, number) => load(client, `client-${number}`, sent, stored));
          await new Promise((resolve) => setTimeout(resolve, RUN_MS));
          const stopMs = performance.now();
          const { status, stderr } = await node.end("SIGTERM");
          const stoppedMs = performance.now() - stopMs;
          const answered = await Promise.all(loads);
          assertEquals(status, 0, stderr);
          assert(stoppedMs < STOP_MS_MAX, `stopping took ${stoppedMs} ms`);
          assert(stored.size > CLIENTS * BURST, `only ${stored.size} were stored`);
          // A connection's replies are complete: they never end within the answers to what was received.
          assertEquals(new Set(answered.map(({ cut }) => cut)), new Set([""]));

          const startMs = performance.now();
          await node.start();
          const startedMs = performance.now() - startMs;
          assert(!/replayed from the log/.test(node.program.output), node.program.output);
          const reader = await node.connect();
          const found = await reader.gets([...sent.keys()]);
          reader.close();
          for (const [key, value] of stored) assertEquals(found.get(key)?.value, value, `"${key}" was acknowledged`);
          // Every executed write was answered: there is nothing that no client knows about.
          const untold = [...found.keys()].filter((key) => !stored.has(key));
          assertEquals(untold, []);
          console.info(`${stored.size} stored, stopped in ${stoppedMs.toFixed(0)} ms, started in ${startedMs.toFixed(0)} ms`);
          const { status: second, stderr: said } = await node.end("SIGTERM");
          assertEquals(second, 0);
          assertMatch(said, /stopped/);
        } finally {
          await node.clear();
        }
      });
    });
  }
});

/** Sends bursts of new keys until the connection ends; gives what is left over of the replies' bytes. */
async function load(
  client: LineClient,
  prefix: string,
  sent: Map<string, string>,
  stored: Map<string, string>,
): Promise<{ cut: string }> {
  for (let burst = 0; !client.closed; burst++) {
    const asked: Promise<void>[] = [];
    for (let number = 0; number < BURST; number++) {
      const key = `${prefix}-${burst}-${number}`;
      const value = `${key}:${"v".repeat(VALUE_BYTES)}`;
      sent.set(key, value);
      const answer = client.ask(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
      asked.push(
        answer.then(
          (line) => {
            if (line === "STORED") stored.set(key, value);
          },
          () => undefined, // Never received, or the connection would have brought its answer.
        ),
      );
    }
    await Promise.all(asked);
  }
  return { cut: client.leftOver };
}
