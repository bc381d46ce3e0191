/** A stream slowed down: how long it takes in all, whatever its pieces, and that it ends at once when it is cancelled. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { BandwidthLimit } from "../../../lib/replication/bandwidth_limit.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

/** Milliseconds that pieces take. */
async function time(network: PlayedNetwork, limit: BandwidthLimit, pieces: readonly number[]): Promise<number> {
  const startMs = network.clock.monotonicMs();
  let done = false;
  const run = async (): Promise<void> => {
    for (const bytes of pieces) await limit.spend(bytes, 1);
    done = true;
  };
  void run();
  assert(await network.passUntil(() => done, 3_600_000));
  return network.clock.monotonicMs() - startMs;
}

describe("a bandwidth limit", () => {
  it("takes as long as the rate says, in large and in small pieces", async () => {
    for (const pieces of [[1000], [500, 500], Array<number>(100).fill(10), [999, 1], Array<number>(1000).fill(1)]) {
      const network = new PlayedNetwork();
      const tookMs = await time(network, new BandwidthLimit(network.clock, 1000, 0), pieces);
      // What is too short for a timer is saved up, the last of it for nobody.
      assert(tookMs > 997 && tookMs <= 1000, `${pieces.length} pieces: ${tookMs} ms`);
    }
  });

  it("pauses after each item, in microseconds, beside the rate", async () => {
    const network = new PlayedNetwork();
    assertEquals(await time(network, new BandwidthLimit(network.clock, 0, 5000), [10, 10, 10]), 15);
    assertEquals(await time(network, new BandwidthLimit(network.clock, 1000, 5000), [10, 10, 10]), 45);
  });

  it("holds up nothing where there is none, and saves up no idle time", async () => {
    const network = new PlayedNetwork();
    assertEquals(new BandwidthLimit(network.clock, 0, 0).spend(1e9, 1e6), undefined);
    const limit = new BandwidthLimit(network.clock, 1000, 0);
    await network.pass(60_000);
    assertEquals(await time(network, limit, [100]), 100);
  });

  it("ends the current pause when the stream is cancelled, and makes no other", async () => {
    const network = new PlayedNetwork();
    const limit = new BandwidthLimit(network.clock, 1, 0);
    let woken = false;
    void limit.spend(1000, 1)?.then(() => {
      woken = true;
    });
    limit.end();
    await network.settle();
    assert(woken);
    assertEquals(network.clock.delaysMs, []);
    assertEquals(limit.spend(1000, 1), undefined);
  });
});
