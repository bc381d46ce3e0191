/** The time watcher: when it warns, when it makes the node fail, and that it does neither unasked. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { TimeWatcher, type TimeWatcherOptions } from "../../../../lib/node_server/life/time_watcher.ts";
import type { CommitListener } from "../../../../lib/storage/storage.ts";
import { StorageWorld, turns } from "../../../support/storage_world.ts";

const OPTIONS: TimeWatcherOptions = {
  timeWatcherEnabled: true,
  timeWatcherPollingIntervalMs: 100,
  storageAccessWatchThresholdWarnMs: 250,
  storageAccessWatchThresholdPingNgMs: 1000,
};

/** A watcher over a storage that commits when told to. */
function watch(options: Partial<TimeWatcherOptions> = {}) {
  const world = new StorageWorld();
  const commits: CommitListener[] = [];
  const storage = { get: () => undefined, onCommit: (listener: CommitListener) => void commits.push(listener) };
  const watcher = new TimeWatcher(world.runtime.clock, world.runtime.log, storage, { ...OPTIONS, ...options });
  const warnings = () => world.lines.filter(({ level }) => level === "warning").length;
  /** Lets time pass in small steps, with the storage as quick as told. */
  const pass = async (ms: number, quick: boolean) => {
    for (let passed = 0; passed < ms; passed += 50) {
      await world.advance(50);
      if (quick) for (const commit of commits.splice(0)) commit.onCommitted();
      await turns(2);
    }
  };
  return { watcher, commits, warnings, pass };
}

describe("time watcher", () => {
  it("says nothing about a quick storage", async () => {
    const { watcher, warnings, pass } = watch();
    await pass(3000, true);
    assertEquals([warnings(), watcher.tooSlow], [0, false]);
  });

  it("warns once of a slow access and makes ping fail for a very slow one, even while it still lasts", async () => {
    const { watcher, warnings, pass } = watch();
    await pass(600, false);
    assertEquals([warnings(), watcher.tooSlow], [1, false]);
    await pass(900, false);
    assertEquals([warnings(), watcher.tooSlow], [1, true]);
    await pass(1000, true);
    assertEquals(watcher.tooSlow, true);
  });

  it("does nothing with thresholds of 0, when it is off, and after it was stopped", async () => {
    const unlimited = watch({ storageAccessWatchThresholdWarnMs: 0, storageAccessWatchThresholdPingNgMs: 0 });
    await unlimited.pass(3000, false);
    assertEquals([unlimited.warnings(), unlimited.watcher.tooSlow], [0, false]);
    const off = watch({ timeWatcherEnabled: false });
    await off.pass(1000, false);
    assertEquals(off.commits.length, 0);
    off.watcher.reload(OPTIONS);
    await off.pass(200, false);
    assertEquals(off.commits.length, 1);
    const stopped = watch();
    stopped.watcher.stop();
    await stopped.pass(1000, false);
    assertEquals(stopped.commits.length, 0);
  });
});
