/** A copy is complete only if all of it is stored: what was rolled back in the middle is missing, whatever the end says. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { DumpClient } from "../../../lib/replication/dump_client.ts";
import type { Connection, ConnectionHandler, Runtime } from "../../../lib/runtime/runtime.ts";
import { Storage } from "../../../lib/storage/storage.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { committed, StorageWorld, turns } from "../../support/storage_world.ts";
import { TestDatabase } from "../../support/test_database.ts";

const CONNECTION: Connection = {
  peer: "source:1",
  write: () => true,
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
  destroy: () => undefined,
};

/** A copy into a storage, and the end of the source's connection. */
class Copy {
  readonly world = new StorageWorld(new MemoryFiles());
  readonly storage: Storage;
  readonly done: Promise<void>;
  #handler: ConnectionHandler | undefined;

  private constructor(storage: Storage) {
    this.storage = storage;
    const runtime = Object.create(this.world.runtime, {
      transport: {
        value: {
          connect: (_address: unknown, _timeoutMs: number, handler: ConnectionHandler) => {
            this.#handler = handler;
            return CONNECTION;
          },
        },
      },
    }) as Runtime;
    const client = new DumpClient(runtime, storage, {
      host: "source",
      port: 1,
      intervalUs: 0,
      partition: 0,
      partitionSize: 1,
      kibPerSecond: 0,
      connectTimeoutMs: 1000,
      silenceMs: 1000,
      silenceTimeoutMs: 1000,
      valueBytesMax: 1000,
      selfKey: "self:2",
      onReachable: () => undefined,
    });
    this.done = client.run();
    this.#handler?.onOpen();
  }

  static async begin(files: MemoryFiles): Promise<Copy> {
    const { runtime } = new StorageWorld(files);
    const engine = new TestDatabase().asEngine;
    return new Copy(await Storage.open(runtime, { dataDir: "data", engine, memoryBytesMax: 1 << 20 }));
  }

  /** The source sends this, and the storage commits what it makes of it. */
  async send(text: string): Promise<void> {
    this.#handler?.onData(fromLatin1(text));
    await committed(this.storage);
    await turns(2);
  }
}

describe("DumpClient", () => {
  it("resolves when everything is stored", async () => {
    const copy = await Copy.begin(new MemoryFiles());
    await copy.send("VALUE a 0 1 1 0\r\nx\r\nVALUE b 0 1 1 0\r\nx\r\n");
    await copy.send("END\r\n");
    await copy.done;
    assertEquals(copy.storage.stats().items, 2);
    await copy.storage.close();
  });

  it("fails, to be tried again, when items in its middle could not be appended", async () => {
    const files = new MemoryFiles();
    const copy = await Copy.begin(files);
    const failed = assertRejects(() => copy.done, FlareError, "items were rolled back");
    await copy.send("VALUE a 0 1 1 0\r\nx\r\n");
    files.appendFault = new FlareError("DISK_FULL", "no space left", { retriable: true });
    await copy.send("VALUE b 0 1 1 0\r\nx\r\n");
    files.appendFault = undefined;
    await copy.send("VALUE c 0 1 1 0\r\nx\r\n");
    await copy.send("END\r\n");
    assertEquals([(await failed).retriable, copy.storage.stats().items], [true, 2]);
    await copy.storage.close();
  });
});
