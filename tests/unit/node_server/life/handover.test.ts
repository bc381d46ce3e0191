/**
 * How a master leaves: new requests wait, those in flight finish, the waiting ones continue.
 *
 * Covers lib/node_server/life/gate.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { within } from "../../../../lib/node_server/life/gate.ts";
import { Handover } from "../../../../lib/node_server/life/handover.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe("handover", () => {
  it("holds requests from its begin to its end", async () => {
    const network = new PlayedNetwork();
    const handover = new Handover(network.clock);
    assert(!handover.holding);
    await handover.over;
    handover.begin();
    assert(handover.holding);
    let over = false;
    void handover.over.then(() => {
      over = true;
    });
    await network.settle();
    assert(!over);
    handover.end();
    await network.settle();
    assert(over && !handover.holding);
  });

  it("waits for the writes in flight, also for those that fail", async () => {
    const network = new PlayedNetwork();
    const handover = new Handover(network.clock);
    const write = deferred();
    void handover.track(write.promise);
    void handover.track(Promise.reject(new Error("refused"))).catch(() => undefined);
    let finished = false;
    void handover.finished().then(() => {
      finished = true;
    });
    await network.settle();
    assert(!finished);
    write.resolve();
    await network.settle();
    assert(finished);
    await handover.finished();
  });

  it("waits no longer than its limit", async () => {
    const network = new PlayedNetwork();
    const { clock } = network;
    const late = within(clock, 100, new Promise(() => undefined));
    await network.pass(100);
    assertEquals(await late, false);
    assertEquals(await within(clock, 100, Promise.resolve()), true);
  });
});
