/**
 * `kill -9` of a node at random moments, again and again, while memory and log segments are so small that checkpoints,
 * rotations and evictions run all the time. A model runs beside it; after each restart the node must have for each key the
 * model's state after some number of the key's changes, at least all acknowledged ones.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { clientRuntime, NodeDaemon, ROUNDS_PART } from "../support/daemon.ts";
import type { Item, LineClient } from "../support/line_client.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const ROUNDS = Math.ceil(20 * ROUNDS_PART);
const KEYS = 500;
const COUNTERS = 50;
const OUTSTANDING_MAX = 300;
const RUN_MS_MAX = 500;
const FLUSHES_PART = 0.0005;

/** A change: its request, and what it makes of the model and answers. */
interface Change {
  readonly request: string;
  /** Undefined: it concerns all. */
  readonly key: string | undefined;
  /** Carries it out on the model; gives the answer it should get. */
  apply(model: Model): string;
}

/** What a node should hold. */
class Model {
  readonly items = new Map<string, { value: string; flags: number }>();
  /** Also of deleted items, because versions never go back; NaN = nobody can know it. */
  readonly versions = new Map<string, number>();

  put(key: string, value: string, flags: number): void {
    this.items.set(key, { value, flags });
    this.versions.set(key, (this.versions.get(key) ?? 0) + 1);
  }

  /** The part of one key. */
  only(key: string): Model {
    const part = new Model();
    const item = this.items.get(key);
    const version = this.versions.get(key);
    if (item !== undefined) part.items.set(key, item);
    if (version !== undefined) part.versions.set(key, version);
    return part;
  }

  /** How what is found under a key differs; undefined = it does not. */
  difference(key: string, found: Item | undefined): string | undefined {
    const expected = this.items.get(key);
    if (expected === undefined && found === undefined) return undefined;
    if (expected?.value !== found?.value || expected?.flags !== found?.flags) {
      return `"${key}": expected ${summary(expected)}, found ${summary(found)}`;
    }
    const version = this.versions.get(key);
    if (Number.isNaN(version) || String(version) === found?.version) return undefined;
    return `"${key}": expected version ${version}, found ${found?.version}`;
  }

  /** Takes over what is found. An item that is not there may have been stored and deleted: its version is unknown. */
  adopt(key: string, found: Item | undefined): void {
    if (found === undefined) this.items.delete(key);
    else this.items.set(key, found);
    this.versions.set(key, Number(found?.version));
  }
}

function summary(item: { readonly value: string; readonly flags: number } | undefined): string {
  return item === undefined ? "nothing" : `${item.value.length} bytes "${item.value.slice(0, 30)}", flags ${item.flags}`;
}

describe("kill -9", () => {
  const below = (limit: number): number => Math.floor(Math.random() * limit);
  const keys = Array.from({ length: KEYS }, (_, number) => `key-${number}`);
  const counters = Array.from({ length: COUNTERS }, (_, number) => `counter-${number}`);
  let changes = 0;

  /** The next random change. The number of the change distinguishes the values. */
  function nextChange(): Change {
    changes++;
    const key = keys[below(KEYS)] as string;
    const kind = Math.random();
    if (kind < FLUSHES_PART) return flushAll();
    if (kind < 0.5) return set(key, `${changes}:${"x".repeat(below(100) === 0 ? below(60000) : below(1200))}`, below(1000));
    if (kind < 0.6) return remove(key);
    if (kind < 0.75) return append(key, `+${changes}`);
    if (kind < 0.8) return touch(key, 0);
    if (kind < 0.82) return touch(key, -1);
    const counter = counters[below(COUNTERS)] as string;
    return kind < 0.85 ? set(counter, String(below(1e6)), 0) : incr(counter, below(1000));
  }

  /** Sends changes until the connection ends; gives those that were sent and how many of them were answered. */
  async function sendUntilKilled(client: LineClient, model: Model): Promise<{ sent: Change[]; answered: number }> {
    const sent: Change[] = [];
    const wrong: string[] = [];
    let answered = 0;
    while (!client.closed) {
      for (let burst = 1 + below(50); burst > 0 && client.outstanding < OUTSTANDING_MAX; burst--) {
        const change = nextChange();
        sent.push(change);
        client.ask(change.request).then(
          (answer) => {
            answered++;
            const expected = change.apply(model);
            if (answer !== expected) wrong.push(`"${change.request.slice(0, 40)}" answered "${answer}", not "${expected}"`);
          },
          () => undefined, // Never answered: the change may have happened or not.
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertEquals(wrong, []);
    return { sent, answered };
  }

  /** Takes what is found into the model; fails if it is not what some of the changes in doubt make of the acknowledged. */
  function explain(found: ReadonlyMap<string, Item>, model: Model, inDoubt: readonly Change[]): number {
    let beyond = 0;
    for (const key of [...keys, ...counters]) {
      const item = found.get(key);
      const single = model.only(key);
      const first = single.difference(key, item);
      let difference = first;
      // A write that waits for memory may be overtaken by those of other keys, never by those of its own.
      for (const change of inDoubt) {
        if (difference === undefined) break;
        if (change.key !== undefined && change.key !== key) continue;
        change.apply(single);
        difference = single.difference(key, item);
        beyond++;
      }
      assertEquals(difference, undefined, `neither what was acknowledged (${first}) nor more of what was sent`);
      model.adopt(key, item);
    }
    return beyond;
  }

  it(`loses nothing acknowledged in ${ROUNDS} rounds`, async () => {
    await withTemporaryDirectory(async (directory) => {
      const runtime = clientRuntime();
      const node = await NodeDaemon.start(runtime, directory, [
        ...["--memory-limit", "1", "--log-segment-size", "1", "--checkpoint-interval", "1", "--fsync", "os"],
      ]);
      try {
        const model = new Model();
        let acknowledged = 0;
        let beyond = 0;
        let slowestMs = 0;
        for (let round = 1; round <= ROUNDS; round++) {
          const client = await node.connect();
          const killing = new Promise((resolve) => setTimeout(resolve, 20 + below(RUN_MS_MAX))).then(() => node.end("SIGKILL"));
          const { sent, answered } = await sendUntilKilled(client, model);
          await killing;

          const startMs = performance.now();
          await node.start();
          slowestMs = Math.max(slowestMs, performance.now() - startMs);
          const reader = await node.connect();
          beyond += explain(await reader.gets([...keys, ...counters]), model, sent.slice(answered));
          reader.close();
          acknowledged += answered;
        }
        assert(acknowledged > ROUNDS * 100, `only ${acknowledged} changes were acknowledged`);
        console.info(`${acknowledged} acknowledged, ${beyond} found beyond, slowest restart ${Math.round(slowestMs)} ms`);
      } finally {
        await node.clear();
      }
    });
  });
});

function set(key: string, value: string, flags: number): Change {
  return {
    request: `set ${key} ${flags} 0 ${value.length}\r\n${value}\r\n`,
    key,
    apply(model) {
      model.put(key, value, flags);
      return "STORED";
    },
  };
}

function append(key: string, value: string): Change {
  return {
    request: `append ${key} 0 0 ${value.length}\r\n${value}\r\n`,
    key,
    apply(model) {
      const item = model.items.get(key);
      if (item === undefined) return "NOT_STORED";
      model.put(key, item.value + value, item.flags);
      return "STORED";
    },
  };
}

function incr(key: string, delta: number): Change {
  return {
    request: `incr ${key} ${delta}\r\n`,
    key,
    apply(model) {
      const item = model.items.get(key);
      if (item === undefined) return "NOT_FOUND";
      const value = String(Number(item.value) + delta);
      model.put(key, value, item.flags);
      return value;
    },
  };
}

function remove(key: string): Change {
  return {
    request: `delete ${key}\r\n`,
    key,
    apply: (model) => (model.items.delete(key) ? "DELETED" : "NOT_FOUND"),
  };
}

/** With 0 nothing that a client sees changes, with -1 the item is gone at once. */
function touch(key: string, exptime: 0 | -1): Change {
  return {
    request: `touch ${key} ${exptime}\r\n`,
    key,
    apply(model) {
      if (!model.items.has(key)) return "NOT_FOUND";
      if (exptime === -1) model.items.delete(key);
      return "TOUCHED";
    },
  };
}

function flushAll(): Change {
  return {
    request: "flush_all\r\n",
    key: undefined,
    apply(model) {
      model.items.clear();
      model.versions.clear();
      return "OK";
    },
  };
}
