/** When a node may answer for its partition, and what those who ask meanwhile hear. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { NodeRole } from "../../../lib/cluster/node.ts";
import { Lease } from "../../../lib/replication/lease.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const { NEGATIVE_INFINITY: NEVER, POSITIVE_INFINITY: ALWAYS } = Number;

function world(role: NodeRole | undefined, isKept = true) {
  const clock = new ManualClock((callback) => queueMicrotask(callback));
  const pass = async (ms: number): Promise<void> => {
    for (const untilMs = clock.monotonicMs() + ms; clock.step(untilMs); ) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
  const routing = { self: role === undefined ? undefined : { role }, ownMaster: "a:1" as string | undefined };
  const streams = { leaseAgeMs: undefined, leaseUntilMs: ALWAYS };
  const follower = { lease: { masterUntilMs: NEVER }, mayRead: false, lacksPartition: false };
  const inSync = { isKept, options: { replicationTimeoutMs: 1000 } };
  const lease = new Lease(clock, routing as never, inSync, streams, follower as never);
  return { clock, pass, routing, streams, follower, lease };
}

describe("a node", () => {
  it("needs no lease as a proxy, as a master without slaves, and where no in-sync sets are kept", () => {
    for (const { lease } of [world(undefined), world(NodeRole.proxy), world(NodeRole.master), world(NodeRole.slave, false)]) {
      assertEquals([lease.isHeld, lease.mayWrite, lease.state], [true, true, "not_needed"]);
    }
  });

  it("may read as a slave while its master counts on it; copies are always written", async () => {
    const { lease, follower } = world(NodeRole.slave);
    assertEquals([lease.isHeld, lease.mayWrite, lease.state], [false, true, "lost"]);
    assertMatch((await lease.held())?.message ?? "", /its master does not renew its lease$/);
    follower.lacksPartition = true;
    assertMatch((await lease.held())?.message ?? "", /does not have the node map yet by which another partition is active$/);
    follower.mayRead = true;
    assertEquals([lease.isHeld, lease.state, await lease.held()], [true, "held", undefined]);
  });

  it("waits as a master for its slaves, and for the end of its predecessor's lease", async () => {
    const { lease, clock, pass, streams, follower } = world(NodeRole.master);
    follower.lease.masterUntilMs = clock.monotonicMs() + 500;
    assertEquals([lease.isHeld, lease.mayWrite], [false, false]);
    let heard: unknown = "nothing";
    void lease.held().then((fault) => {
      heard = fault;
    });
    await pass(480);
    assertEquals(heard, "nothing");
    await pass(40);
    assertEquals([heard, lease.isHeld], [undefined, true]);
    streams.leaseUntilMs = clock.monotonicMs();
    void lease.held().then((fault) => {
      heard = fault?.message;
    });
    await pass(2100);
    assertMatch(String(heard), /not every slave has confirmed that it is still the master$/);
  });

  it("confirms nothing that was read under another master", async () => {
    const { lease, routing } = world(NodeRole.master);
    const { master } = lease;
    assertEquals(await lease.confirmed(master), undefined);
    routing.ownMaster = undefined;
    routing.self = { role: NodeRole.proxy };
    lease.onMap();
    assertMatch((await lease.confirmed(master))?.message ?? "", /the master has changed meanwhile$/);
  });
});
