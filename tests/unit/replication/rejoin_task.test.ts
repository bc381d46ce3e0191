/** What a slave that was away knows of its own changes since a state that its master has had, too. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import type { Peer } from "../../../lib/net/peer/peer.ts";
import { parseRewrite, rejoinLine } from "../../../lib/protocol/rejoin.ts";
import { rejoin } from "../../../lib/replication/rejoin_task.ts";
import { FlushCause } from "../../../lib/storage/log/log_record.ts";
import { Storage } from "../../../lib/storage/storage.ts";
import { StorageWorld, set, writeDurably } from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

const MASTER_STREAM = "00000000000000aa";
const NEXT = 7;

/** A slave whose master has had everything up to some moment. */
class Slave {
  readonly #world = new StorageWorld();
  #storage!: Storage;
  /** The last record that the master has had, too. */
  #common = 0;
  /** What the follower heard. */
  readonly heard: unknown[] = [];
  /** Keys that the master was asked to write once more. */
  readonly rewritten: string[] = [];

  async open(): Promise<this> {
    this.#storage = await Storage.open(this.#world.runtime, { dataDir: "data", engine: new TestDatabase().asEngine });
    await this.write("before");
    this.#common = this.#storage.lastSequence;
    return this;
  }

  async write(key: string): Promise<void> {
    await writeDurably(this.#storage, set(key, "value"), this.#world.nowSeconds);
  }

  flush(cause: FlushCause): void {
    this.#storage.flushAll(cause);
  }

  async rejoin(): Promise<boolean> {
    const { history } = this.#storage;
    const answer = rejoinLine({ id: MASTER_STREAM, history, sequence: this.#common, next: NEXT });
    const peer = {
      request: async (bytes: Uint8Array) => {
        const [, verb, ...words] = latin1(bytes).trimEnd().split(" ");
        if (verb === "rejoin") return { line: answer };
        for (const { key } of parseRewrite(words)?.keys ?? []) this.rewritten.push(latin1(key));
        return { line: "OK" };
      },
    };
    const continues = await rejoin({
      storage: this.#storage,
      follower: {
        undecided: () => this.heard.push("undecided"),
        decided: () => this.heard.push("decided"),
        expect: (...expected) => this.heard.push(expected),
      },
      log: this.#world.runtime.log,
      self: { host: "slave", port: 1 },
      peer: peer as unknown as Peer,
      master: "master:1",
      partition: 0,
      partitionSize: 1,
      checkSource: async () => undefined,
    });
    await this.#storage.close();
    return continues;
  }
}

describe("a slave that returns", () => {
  it("continues where it left off", async () => {
    const slave = await new Slave().open();
    assertEquals(await slave.rejoin(), true);
    assertEquals(slave.heard, ["undecided", ["master:1", MASTER_STREAM, NEXT, true]]);
    assertEquals(slave.rewritten, []);
  });

  it("lets its master write once more what only it has changed", async () => {
    const slave = await new Slave().open();
    await slave.write("one");
    await slave.write("two");
    assertEquals(await slave.rejoin(), true);
    assertEquals(slave.heard, ["undecided", ["master:1", MASTER_STREAM, NEXT, false]]);
    assertEquals(slave.rewritten, ["one", "two"]);
  });

  for (const [name, cause] of Object.entries(FlushCause)) {
    for (const before of [0, 1]) {
      for (const after of [0, 1]) {
        const writes = `${before} writes before it and ${after} after it`;
        it(`does not continue after it has dropped everything: ${name}, with ${writes}`, async () => {
          const slave = await new Slave().open();
          if (before > 0) await slave.write("one");
          slave.flush(cause);
          if (after > 0) await slave.write("two");
          assertEquals(await slave.rejoin(), false);
          assertEquals(slave.heard, ["undecided", "decided"]);
          assertEquals(slave.rewritten, []);
        });
      }
    }
  }
});
