/** Every command of an index server, sent to a real one. A new command does not compile here without an exchange. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { indexCommandSet, indexCommands } from "../../../lib/index_server/index_command_table.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { startIndexServer } from "../../../lib/index_server/index_server.ts";
import { Command, type IndexWord } from "../../../lib/protocol/command.ts";
import { IndexWorld } from "../../support/index_world.ts";

/** What is sent, and how the answer begins. */
const EXCHANGES: Readonly<Record<IndexWord, readonly [request: string, answer: RegExp]>> = {
  ping: ["ping\r\n", /^OK\r\n$/],
  version: ["version\r\n", /^VERSION flare-/],
  stats: ["stats\r\n", /^STAT pid /],
  show: ["show variables\r\n", /\r\nEND\r\n$/],
  verbosity: ["verbosity 1\r\n", /^OK\r\n$/],
  meta: ["meta\r\n", /^META partition-size /],
  quit: ["quit\r\nping\r\n", /^$/],
  node: ["node remove host 1\r\n", /^SERVER_ERROR failed to remove node\r\n$/],
  shutdown: ["shutdown host 1\r\n", /^SERVER_ERROR failed to shutdown\r\n$/],
  relay: ["relay 10.0.0.7:1 node remove host 1\r\n", /^SERVER_ERROR failed to remove node\r\n$/],
  index: ["index history\r\n", /^MAP \{"version":"0","term":1,.*"cause":"it has taken the lead","events":\[\]\}\r\nEND\r\n$/],
  kill: ["kill 999999\r\n", /^CLIENT_ERROR thread not found\r\n$/],
  refresh_certs: ["refresh_certs\r\n", /^Error TLS not enabled\r\n$/],
};

describe("the commands of an index server", () => {
  for (const word of Object.keys(indexCommands) as IndexWord[]) {
    it(`execute ${word}`, async () => {
      const world = new IndexWorld();
      await startIndexServer(world, indexServerOptions({ indexDb: "memory://" }));
      const [request, expected] = EXCHANGES[word];
      const bytes = fromLatin1(word);
      assertEquals(indexCommandSet.words.find(bytes, 0, bytes.length), Command[word]);
      assertMatch((await world.ask(request)).reply, expected);
    });
  }
});
