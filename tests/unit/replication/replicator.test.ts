/** What a master answers to writes that are not committed here yet when the node map changes. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { FlareError } from "../../../lib/base/errors.ts";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { Routing } from "../../../lib/cluster/routing.ts";
import { PeerPool } from "../../../lib/net/peer/peer_pool.ts";
import { WorkerRegistry } from "../../../lib/net/worker.ts";
import { Replicator } from "../../../lib/replication/replicator.ts";
import type { CommitListener } from "../../../lib/storage/storage.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

const PEER = { connectTimeoutMs: 1000, replyTimeoutMs: 1000, queueBytesMax: 1000, replyBytesMax: 1000 };
/** This node is b:2; c:3 is a slave at first. */
const AS_SLAVE = ["NODE a 1 0 0 0 1 16", "NODE b 2 1 0 0 1 17", "NODE c 3 1 0 0 1 18"];
const AS_MASTER = ["NODE b 2 0 0 0 1 17", "NODE c 3 1 0 0 1 18"];
const UNDER_THE_OTHER = ["NODE a 1 2 2 -1 0 16", "NODE b 2 1 0 0 1 17", "NODE c 3 0 0 0 1 18"];
const AS_PROXY = ["NODE b 2 2 0 -1 0 17", "NODE c 3 0 0 0 1 18"];

function mapOf(version: number, lines: readonly string[]) {
  return createNodeMap(version, lines.map((line) => parseNodeLine(line) ?? assert(false)) as never, 0);
}

/** A node whose commits end when the test says so; it has become the master while c:3 may still answer reads for a second. */
function becomeMaster(...between: readonly (readonly string[])[]) {
  const { runtime, clock } = new PlayedNetwork();
  const commits: CommitListener[] = [];
  const storage = {
    committedSequence: 0,
    lastSequence: 7,
    follow: () => undefined,
    unfollow: () => undefined,
    onCommit: (listener: CommitListener) => void commits.push(listener),
  };
  const routing = new Routing(mapOf(1, AS_SLAVE), {
    selfKey: "b:2",
    resolver: new KeyResolver({ partitionSize: 1024, hint: 1, virtual: 4096 }),
  });
  const workers = new WorkerRegistry();
  const replicator = new Replicator(
    runtime,
    routing,
    new PeerPool(runtime, workers, 1, PEER),
    storage as never,
    { isKept: true, isMember: () => true } as never,
    workers,
    { key: "b:2", peer: PEER },
    { othersUntilMs: clock.monotonicMs() + 1000 },
    {
      noreplyWindowLimit: 0,
      maxTotalThreadQueue: 0,
      replicationTimeoutMs: 5000,
      replicationLagMaxMs: 0,
      replicationLagPolicy: "wait",
    },
  );
  replicator.onMap();
  const install = (version: number, lines: readonly string[]): void => {
    routing.install(mapOf(version, lines));
    replicator.onMap();
  };
  for (const [at, lines] of [...between, AS_MASTER].entries()) install(2 + at, lines);
  return { clock, commits, install, replicator };
}

describe("a write that waits for its replicas", () => {
  it("is in doubt when its node ceases to be the master, committed before or after, and if it is the master again", () => {
    for (const [isCommitted, isBack] of [
      [true, false],
      [false, false],
      [false, true],
    ] as const) {
      const { clock, commits, install, replicator } = becomeMaster();
      const heard: (FlareError | undefined)[] = [];
      replicator.onCommit({ onCommitted: (error) => heard.push(error) }, true);
      const commit = (): void => commits.shift()?.onCommitted();
      if (isCommitted) commit();
      assertEquals(heard, []);
      install(3, AS_PROXY);
      if (isBack) install(4, AS_MASTER);
      if (!isCommitted) commit();
      // Nothing overtakes what still waits.
      while (clock.step(1100));
      assertEquals(heard.length, 1);
      assertMatch(heard[0]?.message ?? "", /^in doubt: written here, but this node is no longer the master$/);
    }
  });

  it("waits for a slave that may still answer reads, whatever it was since then, and not where nobody else answers", () => {
    for (const between of [[], [UNDER_THE_OTHER], [UNDER_THE_OTHER, AS_PROXY]]) {
      const { clock, commits, install, replicator } = becomeMaster(...between);
      let heard = 0;
      const write = (): void => {
        const onCommitted = (error?: FlareError): void => {
          if (error === undefined) heard++;
        };
        replicator.onCommit({ onCommitted }, true);
        commits.shift()?.onCommitted();
      };
      write();
      while (clock.step(900));
      assertEquals(heard, 0);
      while (clock.step(1100));
      assertEquals(heard, 1);
      install(9, AS_PROXY);
      write();
      assertEquals(heard, 2);
    }
  });
});
