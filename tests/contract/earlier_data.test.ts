/**
 * Directories of earlier versions open in this one with all they hold: of 2.0.0 with data format 1, and the same made by the
 * first version with data format 2. The node was killed: part of its items are in the engine, the newest changes only in the
 * change log.
 */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { startIndexServer } from "../../mod.ts";
import { dumpedItems } from "../cluster/scenarios/inspection.ts";
import { clientRuntime, HOST, NodeDaemon } from "../support/daemon.ts";
import { repositoryRoot } from "../support/repository.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

/** Under `tests/data`. */
const DIRECTORIES = ["data_format_1", "data_format_2"];
const ENGINE_ITEMS = 40;
const LOG_ITEMS = 10;
const FAR_FUTURE = "4000000000";

/** What the node held: each item as `flags version expire value`. */
function expectedItems(): Map<string, string> {
  const items = new Map<string, string>();
  for (let i = 0; i < ENGINE_ITEMS; i++) {
    items.set(`engine-${i}`, `${i} 1 ${i % 7 === 0 ? FAR_FUTURE : 0} ${`value ${i} `.repeat(1 + (i % 5))}`);
  }
  for (let i = 0; i < LOG_ITEMS; i++) items.set(`log-${i}`, `${100 + i} 1 0 logged ${i}`);
  items.delete("engine-3");
  items.delete("engine-4");
  items.set("engine-5", "55 2 0 changed");
  items.set("engine-6", "6 2 0 value 6 value 6  more");
  items.set("binary", "7 1 0 \x00\x01\r\n\xff");
  items.set("empty", "0 1 0 ");
  items.set("counter", "0 2 0 42");
  return items;
}

for (const name of DIRECTORIES) {
  describe(`${name} of 2.0.0`, () => {
    it("is complete in a node, before and after another restart", async () => {
      await withTemporaryDirectory(async (directory) => {
        cpSync(join(repositoryRoot, "tests/data", name, "node"), directory, { recursive: true });
        const runtime = clientRuntime();
        const node = await NodeDaemon.start(runtime, directory, ["--memory-limit", "16"]);
        try {
          for (const restarts of [0, 1]) {
            if (restarts > 0) {
              await node.end("SIGKILL");
              await node.start();
            }
            const client = await TextClient.connect(runtime, node.address);
            const dump = await client.ask("dump\r\n", /(^|\r\n)END\r\n$/);
            client.close();
            const items = [...dumpedItems(dump)].map(
              ([key, { flags, version, expire, value }]) => [key, `${flags} ${version} ${expire} ${value}`] as const,
            );
            assertEquals(new Map(items.sort()), new Map([...expectedItems()].sort()));
          }
        } finally {
          await node.clear();
        }
      });
    });

    it("is complete in an index server", async () => {
      await withTemporaryDirectory(async (directory) => {
        cpSync(join(repositoryRoot, "tests/data", name, "index"), directory, { recursive: true });
        const index = await startIndexServer({
          ...{ runtime: clientRuntime(), dataDir: directory, bind: HOST, serverName: HOST, serverPort: 0 },
          monitorIntervalMs: 3_600_000,
        });
        try {
          const [address] = index.addresses;
          const client = await TextClient.connect(clientRuntime(), address as NonNullable<typeof address>);
          const nodes = await client.ask("stats nodes\r\n", /END\r\n$/);
          client.close();
          for (const entry of ["role master", "partition 0", "balance 1"]) {
            assertEquals(nodes.includes(`STAT 127.0.0.1:24121:${entry}\r\n`), true, nodes);
          }
        } finally {
          await index.stop();
        }
      });
    });
  });
}
