/** A conversation on a connection of its own, with a host that a test plays. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { onOwnConnection } from "../../../../lib/net/peer/own_connection.ts";
import type { Peer } from "../../../../lib/net/peer/peer.ts";
import { WorkerRegistry } from "../../../../lib/net/worker.ts";
import { ReplyShape } from "../../../../lib/protocol/text/text_client.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

const OPTIONS = { connectTimeoutMs: 2000, replyTimeoutMs: 3000, queueBytesMax: 1000, replyBytesMax: 1000 };
const HOST = { host: "n", port: 1 };

/** Asks twice; the second question has no answer if the host answers once only. */
async function askTwice(peer: Peer): Promise<string> {
  const { line } = await peer.request(fromLatin1("one\r\n"), ReplyShape.line);
  return `${line} ${(await peer.request(fromLatin1("two\r\n"), ReplyShape.line)).line}`;
}

describe("a conversation on a connection of its own", () => {
  for (const answers of [2, 1]) {
    it(`closes it when ${answers === 2 ? "it has ended" : "it fails"}, and is listed where that is wanted`, async () => {
      const network = new PlayedNetwork();
      const workers = new WorkerRegistry();
      const ends: string[] = [];
      let left = answers;
      network.onConnect = (_key, far) => {
        ends.push("open");
        far.onReceived = () => {
          if (left-- > 0) far.send("OK\r\n");
        };
        far.onClosed = () => ends.push("closed");
      };
      const talk = onOwnConnection(network.runtime, HOST, OPTIONS, askTwice, workers);
      assertEquals(workers.list().length, 1);
      const outcome = answers === 2 ? talk : assertRejects(() => talk, FlareError, "was silent").then(() => "failed");
      await network.pass(4000);
      assertEquals(await outcome, answers === 2 ? "OK OK" : "failed");
      await network.settle();
      assertEquals([ends, workers.list().length], [["open", "closed"], 0]);
    });
  }
});
