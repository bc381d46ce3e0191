/**
 * A client that lists keys again and again, through one node after the other, while everything changes around it: keys that
 * nobody touches must come in every list, each once, in their order.
 */

import { latin1 } from "../../lib/base/bytes.ts";
import { FlareError } from "../../lib/base/errors.ts";
import { Client } from "../../lib/client/client.ts";
import type { SimCluster } from "../../lib/testing/sim_cluster.ts";
import type { SimProcess } from "../../lib/testing/sim_process.ts";
import type { SimRandom } from "../../lib/testing/sim_random.ts";

const KEYS = 150;
const PREFIX = "still:";
const REPLY_TIMEOUT_MS = 60_000;

export class Scanner {
  /** Whole lists so far. */
  scans = 0;
  readonly #cluster: SimCluster;
  readonly #random: SimRandom;
  readonly #process: SimProcess;
  readonly #keys: string[] = Array.from({ length: KEYS }, (_, i) => `${PREFIX}${String(i * 37).padStart(5, "0")}`);
  #scanning = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(cluster: SimCluster, process: SimProcess, random: SimRandom) {
    this.#cluster = cluster;
    this.#process = process;
    this.#random = random;
  }

  /** Stores the keys and begins. */
  async start(): Promise<void> {
    const client = this.#client();
    for (const key of this.#keys) await client.set(key, "x");
    client.close();
    this.#scanning = true;
    this.#ended = this.#run();
  }

  /** Resolves when the last list is complete. */
  async stop(): Promise<void> {
    this.#scanning = false;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { world } = this.#process.host;
    while (this.#scanning) {
      const client = this.#client();
      const seen: string[] = [];
      try {
        for await (const { key } of client.scan({ prefix: PREFIX, pageSize: this.#random.between(5, 60) })) {
          seen.push(latin1(key));
        }
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        world.fail(`a scan through "${client.server}" failed: ${error.message}`);
      }
      client.close();
      if (seen.join() !== this.#keys.join()) {
        const missing = this.#keys.filter((key) => !seen.includes(key));
        world.fail(`a scan through "${client.server}" gave ${seen.length} keys of ${KEYS}, without ${missing.join()}`);
      }
      this.scans++;
      await world.sleep(this.#random.between(1, 100));
    }
  }

  #client(): Client {
    const address = this.#cluster.addressOf(this.#random.pick(this.#cluster.nodes));
    return new Client({ runtime: this.#process, ...address, replyTimeoutMs: REPLY_TIMEOUT_MS });
  }
}
