/**
 * A cluster for a test: the code under test talks to a real server over real sockets. Nothing has to be installed or started
 * first, and nothing is left behind.
 *
 *   node --import tsx --test examples/04_cluster_inside_a_test.ts
 *   deno test --allow-all --unsafe-proto examples/04_cluster_inside_a_test.ts
 *   bun test ./examples/04_cluster_inside_a_test.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import Memcached from "memcached";
import { type Cluster, startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// ---- The code under test: counts the visits of each user.

class VisitCounter {
  readonly #client;
  readonly #add;
  readonly #incr;

  constructor(address: string) {
    this.#client = new Memcached(address);
    this.#add = promisify(this.#client.add).bind(this.#client);
    this.#incr = promisify(this.#client.incr).bind(this.#client);
  }

  /** Counts one visit and returns the number of visits so far. */
  async count(user: string): Promise<number> {
    const visits = await this.#incr(`visits:${user}`, 1);
    if (typeof visits === "number") return visits;
    // The first visit, unless another client was faster.
    const added = await this.#add(`visits:${user}`, "1", 0).catch(() => false);
    return added ? 1 : this.count(user);
  }

  close(): void {
    this.#client.end();
  }
}

// ---- The test.

describe("VisitCounter", () => {
  let cluster: Cluster;
  let counter: VisitCounter;

  before(async () => {
    // In memory, on a free port, in this process: ready within milliseconds.
    cluster = await startCluster();
    counter = new VisitCounter(cluster.nodes[0].key);
  });

  after(async () => {
    counter.close();
    await cluster.stop();
  });

  it("counts from one", async () => {
    assert.equal(await counter.count("ada"), 1);
    assert.equal(await counter.count("ada"), 2);
    assert.equal(await counter.count("bob"), 1);
  });

  it("misses no visit when many come at once", async () => {
    const counts = await Promise.all(Array.from({ length: 50 }, () => counter.count("eve")));
    assert.deepEqual(
      counts.sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
  });
});
