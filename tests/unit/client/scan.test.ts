/** How a client goes through pages: what it asks again, what it gives up, and how it keeps to a rate. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { deletePrefix, type ScanServer, scanItems } from "../../../lib/client/scan.ts";
import type { ClientReply } from "../../../lib/protocol/text/text_client.ts";

const SCAN = "0123456789abcdef";
const A = fromLatin1("a");

/** A server with scripted answers, on a clock that only advances while somebody waits. */
class ScriptedServer implements ScanServer {
  readonly name = "server:1";
  readonly requests: string[] = [];
  nowMs = 0;
  readonly clock = { monotonicMs: () => this.nowMs };
  readonly #answers: (string | FlareError)[];

  constructor(...answers: (string | FlareError)[]) {
    this.#answers = answers;
  }

  async pause(delayMs: number): Promise<void> {
    this.nowMs += delayMs;
  }

  async request(bytes: Uint8Array): Promise<ClientReply> {
    this.requests.push(latin1(bytes).trimEnd());
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    if (answer instanceof FlareError) throw answer;
    const lines = (answer ?? "END").split("\n");
    return {
      line: lines.at(-1) as string,
      body: fromLatin1(
        lines
          .slice(0, -1)
          .map((line) => `${line}\r\n`)
          .join(""),
      ),
    };
  }
}

async function keysOf(server: ScanServer, options: Parameters<typeof scanItems>[2] = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of scanItems(server, A, options)) keys.push(latin1(key));
  return keys;
}

const LOST = new FlareError("CONNECTION_FAILED", "connection broke", { retriable: true });
const LATE = new FlareError("TIMED_OUT", "no reply");

describe("a scan by a client", () => {
  it("follows the cursors, over pages that show nothing, too", async () => {
    const server = new ScriptedServer(`NEXT ${SCAN}-YQ`, `KEY a1 0 1 1 0\nNEXT ${SCAN}-YTE`, "KEY a2 0 1 1 0\nEND");
    assertEquals(await keysOf(server, { pageSize: 7 }), ["a1", "a2"]);
    const base = "scan 7 b pYQ==";
    assertEquals(server.requests, [base, `${base} c${SCAN}-YQ`, `${base} c${SCAN}-YTE`]);
  });

  it("asks for a page again that failed for a reason that may pass", async () => {
    const server = new ScriptedServer(`KEY a1 0 1 1 0\nNEXT ${SCAN}-YTE`, "SERVER_ERROR x", LOST, LATE, "KEY a2 0 1 1 0\nEND");
    assertEquals(await keysOf(server), ["a1", "a2"]);
    assertEquals(new Set(server.requests.slice(1)).size, 1);
    assertEquals(server.nowMs, 3000);
  });

  it("gives up after five attempts, and at once if waiting is pointless", async () => {
    for (const [answer, code, attempts] of [
      ["SERVER_ERROR partition 0 cannot be scanned: x", "REFUSED", 5],
      [LATE, "TIMED_OUT", 5],
      ["CLIENT_ERROR invalid cursor", "REFUSED", 1],
      ["ERROR", "UNSUPPORTED", 1],
      ["NEXT nonsense", "CORRUPT", 1],
      [new FlareError("CLOSED", "closed"), "CLOSED", 1],
    ] as const) {
      const server = new ScriptedServer(answer);
      const error = await assertRejects(() => keysOf(server), FlareError);
      assertEquals([(error as FlareError).code, server.requests.length], [code, attempts]);
    }
  });

  it("keeps to a rate", async () => {
    const server = new ScriptedServer(`KEY a1 0 1 1 0\nKEY a2 0 1 1 0\nNEXT ${SCAN}-YTI`, `NEXT ${SCAN}-YTM`, "END");
    assertEquals(await keysOf(server, { ratePerSecond: 4 }), ["a1", "a2"]);
    assertEquals([server.nowMs, server.requests[0]], [500, "scan 4 b pYQ=="]);
  });
});

describe("a deletion by a client", () => {
  it("adds up batches, tells of each, and never asks for more than the limit leaves", async () => {
    const server = new ScriptedServer(`MORE 3 ${SCAN}-YTM`, `MORE 0 ${SCAN}-YTQ`, `MORE 2 ${SCAN}-YTU`);
    const told: number[] = [];
    const { deleted, complete } = await deletePrefix(server, A, {
      limit: 5,
      onProgress: (progress) => told.push(progress.deleted),
    });
    assertEquals([deleted, complete, told], [5, false, [3, 3, 5]]);
    assertEquals(
      server.requests.map((request) => request.split(" ")[1]),
      ["5", "2", "2"],
    );
  });

  it("says that it is in doubt when the last thing heard leaves it so", async () => {
    const server = new ScriptedServer("SERVER_ERROR in doubt: 1 deleted, then proxy error");
    const error = await assertRejects(() => deletePrefix(server, A, {}), FlareError);
    assertEquals([(error as FlareError).code, server.requests.length], ["IN_DOUBT", 5]);
    const nonsense = new ScriptedServer("MORE 1");
    assert(((await assertRejects(() => deletePrefix(nonsense, A, {}), FlareError)) as FlareError).code === "CORRUPT");
  });
});
