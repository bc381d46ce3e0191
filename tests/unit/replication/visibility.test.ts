/**
 * What may be shown of a write that is not committed, not replicated, or fails. Covers lib/replication/visibility.ts,
 * lib/storage/path/recent_changes.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { replicationTypeOf, Visibility } from "../../../lib/replication/visibility.ts";
import { RecentChanges } from "../../../lib/storage/path/recent_changes.ts";
import type { CommitListener } from "../../../lib/storage/storage.ts";

const bytes = fromLatin1("k");
const KEY = { bytes, start: 0, end: 1 };

/** A node whose newest change has sequence 10, and the one of the key `sequence`. */
function world(
  sequence: number,
  { committed = 10, replicas = Infinity, slaves = Infinity } = {},
  type: "async" | "sync" = "sync",
) {
  const asked: boolean[] = [];
  const storage = {
    committedSequence: committed,
    lastSequence: 10,
    sequenceOf: () => sequence,
    onCommit: ({ onCommitted }: CommitListener) => onCommitted(new FlareError("IO_ERROR", "disk on fire")),
  };
  const replicator = {
    streams: { replicated: replicas },
    onCommit: ({ onCommitted }: CommitListener, isSync: boolean) => {
      asked.push(isSync);
      onCommitted();
    },
  };
  const lease = { isHeld: true, mayWrite: true, master: "a:1", confirmed: () => Promise.resolve(undefined) };
  return { asked, lease, visibility: new Visibility(storage, replicator as never, { replicated: slaves }, lease, type) };
}

describe("an item", () => {
  it("is shown once its change is committed, and replicated where that is promised", () => {
    const shown = (...args: Parameters<typeof world>): boolean[] => {
      const { visibility } = world(...args);
      return [visibility.isShown(KEY), visibility.canShow(KEY)];
    };
    assertEquals(shown(10), [true, true]);
    assertEquals(shown(10, { committed: 9 }), [false, true]);
    assertEquals(shown(9, { committed: 9 }), [true, true]);
    assertEquals(shown(10, { replicas: 9 }), [false, true]);
    assertEquals(shown(9, { replicas: 9 }), [true, true]);
    assertEquals(shown(10, { slaves: 9 }), [false, false]);
    assertEquals(shown(9, { slaves: 9 }), [true, true]);
    assertEquals(shown(10, { replicas: 9, slaves: 9 }, "async"), [true, true]);
    assertEquals(shown(10, { committed: 9 }, "async"), [false, true]);
  });

  it("waits for the replicas only where that is promised, and hears why it may not be shown", async () => {
    const sync = world(10);
    assertEquals([await sync.visibility.settled(), sync.asked], [undefined, [true]]);
    const { visibility, asked } = world(10, {}, "async");
    assertEquals([(await visibility.settled())?.message, asked], ["disk on fire", []]);
  });
});

describe("the type of replication", () => {
  it("is synchronous unless set, where the index server can take a slave out", () => {
    const typesOf = (isKept: boolean) =>
      (["auto", "async", "sync"] as const).map((option) => replicationTypeOf(option, { isKept }));
    assertEquals(typesOf(true), ["sync", "async", "sync"]);
    assertEquals(typesOf(false), ["async", "async", "sync"]);
  });
});

describe("an item of a node that cannot be sure", () => {
  it("is the master's to show where a slave has it, and shown by the master once it is sure", async () => {
    const { visibility, lease } = world(9);
    lease.isHeld = false;
    assertEquals([visibility.isShown(KEY), visibility.canShow(KEY)], [false, false]);
    lease.mayWrite = false;
    assertEquals([visibility.isShown(KEY), visibility.canShow(KEY)], [false, true]);
    lease.confirmed = () => Promise.resolve(new FlareError("REFUSED", "not sure")) as never;
    assertEquals((await visibility.settled())?.message, "not sure");
  });
});

describe("recent changes", () => {
  it("never say less than the newest change of a key, and all keys change with a flush", () => {
    const recent = new RecentChanges();
    const newest = new Map<number, number>();
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      const hash = (Math.imul(sequence, 0x9e3779b1) ^ (sequence >>> 3)) | 0;
      recent.note(hash, sequence);
      newest.set(hash, sequence);
    }
    for (const [hash, sequence] of newest) assertEquals(recent.of(hash) >= sequence, true);
    assertEquals(new RecentChanges().of(-5), 0);
    recent.noteAll(30_000);
    assertEquals([recent.of(1), recent.of(-5)], [30_000, 30_000]);
  });
});
