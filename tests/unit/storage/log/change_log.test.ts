/** What the change log knows of its files, apart from what is in them: which are synced. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { ChangeLog } from "../../../../lib/storage/log/change_log.ts";
import { LOG_HEADER_BYTES } from "../../../../lib/storage/log/log_record.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { StorageWorld } from "../../../support/storage_world.ts";

const LACK = new FlareError("LIMIT_EXCEEDED", "sync failed: too many open files (EMFILE)", { retriable: true });

describe("ChangeLog", () => {
  it("syncs every segment again whose sync failed, before it says that they are", async () => {
    const files = new MemoryFiles();
    const log = ChangeLog.open(new StorageWorld(files).runtime, "data", 4096, [], 1);
    for (let segment = 1; segment <= 3; segment++) {
      log.state(segment, 0, true);
      log.append();
      if (segment < 3) log.rotate();
    }
    const unsynced = () => [...files.files.values()].filter(({ size, syncedSize }) => size > syncedSize).length;
    files.syncFault = LACK;
    await assertRejects(() => log.sync(), FlareError, "EMFILE");
    await assertRejects(() => log.sync(), FlareError, "EMFILE");
    assertEquals([log.syncedSegment, unsynced()], [0, 3]);
    files.syncFault = undefined;
    await log.sync();
    assertEquals([log.syncedSegment, unsynced()], [3, 0]);
    log.close();
  });

  it("cuts off what a failed append may have left, though the file does not know how much that is", () => {
    const files = new MemoryFiles();
    const truncated: number[] = [];
    const fault = new FlareError("DISK_FULL", "append failed: no space left", { retriable: true });
    const openAppend = files.openAppend.bind(files);
    files.openAppend = (path) => {
      const file = openAppend(path);
      let fails = false;
      return {
        get size() {
          return fails ? LOG_HEADER_BYTES : 0;
        },
        append(bytes) {
          if (fails) throw fault;
          fails = true;
          file.append(bytes);
        },
        truncate: (size) => void truncated.push(size),
        sync: () => file.sync(),
        close: () => file.close(),
      };
    };
    const log = ChangeLog.open(new StorageWorld(files).runtime, "data", 4096, [], 1);
    log.state(1, 0, true);
    assertThrows(() => log.append(), FlareError, "no space left");
    assertEquals(truncated, [LOG_HEADER_BYTES]);
  });
});
