/** Snapshots of real masters over the wire: what is in them, while the cluster is written to; and of played, silent ones. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { type BackupRecord, type SnapshotEnd, snapshotRecords } from "../../../lib/client/dump.ts";
import { LocalCluster } from "../../../lib/local_cluster/local_cluster.ts";
import type { Client } from "../../../mod.ts";
import { detectRuntime } from "../../../mod.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

const runtime = detectRuntime({ logLevel: "error" });

interface Taken extends SnapshotEnd {
  readonly records: readonly BackupRecord[];
}

async function take(cluster: LocalCluster, partition: number, partitions = 2): Promise<Taken> {
  const reading = snapshotRecords(runtime, cluster.addresses[partition] as never, { partition, partitions, bytesPerSecond: 0 });
  const records: BackupRecord[] = [];
  for (;;) {
    const next = await reading.next();
    if (next.done === true) return { ...next.value, records };
    records.push(...next.value);
  }
}

function textOf({ key, value, flags, version, tombstone }: BackupRecord): string {
  return tombstone ? `${latin1(key)} deleted v${version}` : `${latin1(key)}=${latin1(value)} f${flags} v${version}`;
}

async function withCluster(partitions: number, test: (cluster: LocalCluster, client: Client) => Promise<void>): Promise<void> {
  const cluster = await LocalCluster.start(runtime, { partitions, logLevel: "error" });
  const client = cluster.client();
  try {
    await test(cluster, client);
  } finally {
    client.close();
    await cluster.stop();
  }
}

describe("a snapshot of a partition", () => {
  it("has its items and its deletions, each once, in key order", () =>
    withCluster(2, async (cluster, client) => {
      const expected: string[] = [];
      for (let i = 100; i < 400; i++) {
        await client.set(`key${i}`, "old");
        await client.set(`key${i}`, `value${i}`, { flags: i });
        if (i % 3 === 0) await client.delete(`key${i}`);
        expected.push(i % 3 === 0 ? `key${i} deleted v2` : `key${i}=value${i} f${i} v2`);
      }
      const taken = await Promise.all([take(cluster, 0), take(cluster, 1)]);
      for (const { records, items, tombstones } of taken) {
        const keys = records.map(({ key }) => latin1(key));
        assertEquals(keys, [...keys].sort());
        assert(items > 20 && tombstones > 20 && items + tombstones === records.length);
      }
      const texts = taken.flatMap(({ records }) => records.map(textOf));
      assertEquals(texts.sort(), expected);
    }));

  it("is of one moment: of writes one after another it has all up to one of them", () =>
    withCluster(1, async (cluster, client) => {
      // Not in key order, so that a walk would meet new states before old ones.
      const keys = Array.from({ length: 2000 }, (_, i) => `key${(i * 777) % 2000}`);
      const writeAll = async (round: number): Promise<void> => {
        for (let at = 0; at < keys.length; at += 40)
          await Promise.all(keys.slice(at, at + 40).map((key) => client.set(key, `${round}`)));
      };
      await writeAll(0);
      let isOver = false;
      const writing = (async () => {
        for (let round = 1; !isOver; round++) await writeAll(round);
      })();
      let turns = 0;
      for (let i = 0; i < 8; i++) {
        const { records } = await take(cluster, 0, 1);
        const states = new Map(records.map(({ key, value }) => [latin1(key), Number(latin1(value))]));
        const inOrder = keys.map((key) => states.get(key));
        // The round of each key, in the order of writing: it falls at most once, by one.
        const first = inOrder[0] as number;
        const turn = inOrder.findIndex((state) => state !== first);
        if (turn < 0) continue;
        turns++;
        assert(
          inOrder.slice(turn).every((state) => state === first - 1),
          inOrder.join(" "),
        );
      }
      isOver = true;
      await writing;
      assert(turns > 0, "every snapshot was taken between two rounds");
    }));

  it("is refused by a node that is not the master of that partition", () =>
    withCluster(2, async (cluster) => {
      for (const [partition, partitions] of [
        [0, 1],
        [0, 3],
        [1, 3],
      ] as const) {
        const error = await assertRejects(() => take(cluster, partition, partitions), FlareError);
        assertEquals([error.code, error.retriable], ["REFUSED", true]);
        assert(error.message.includes(`not the active master of partition ${partition} of ${partitions}`), error.message);
      }
      const client = cluster.client();
      for (const words of ["", " 0", " 2/2", " 0/2 x", " 0/2 1 1", " 0/100000"])
        assertEquals(await client.line(`node snapshot${words}`), "CLIENT_ERROR bad command line format");
      client.close();
    }));
});

describe("a snapshot that takes time", () => {
  /** Asks a played node that answers pings while `isThere` holds; returns its answers and the outcome. */
  async function ask(answer: string, isThere: (asked: number) => boolean): Promise<{ pings: number; outcome: string }> {
    const network = new PlayedNetwork();
    let pings = 0;
    network.onConnect = (_key, far) => {
      far.onReceived = () => {
        if (far.received === "ping\r\n") {
          if (isThere(++pings)) far.send("OK\r\n");
        } else if (far.received.startsWith("node snapshot")) {
          network.clock.setTimer(() => far.send(answer), 35_000);
        }
      };
    };
    const part = { partition: 0, partitions: 1, bytesPerSecond: 0 };
    const reading = (async () => {
      const batches: string[] = [];
      const address = { host: "127.0.0.1", port: 2001 };
      for await (const records of snapshotRecords(network.runtime, address, part)) batches.push(...records.map(textOf));
      return batches.join(", ");
    })().catch((error: FlareError) => `${error.code} ${error.message}`);
    await network.pass(60_000);
    return { pings, outcome: await reading };
  }

  it("is waited for while its node answers pings", async () => {
    const answer = "VALUE a 7 3 2 0\r\nxyz\r\nVALUE YiBj 0 0 4 0 b D\r\n\r\nEND 17 1 1 0123456789abcdef 1234\r\n";
    assertEquals(await ask(answer, () => true), { pings: 3, outcome: "a=xyz f7 v2, b c deleted v4" });
    assertEquals(await ask(answer, (asked) => asked < 2), {
      pings: 2,
      outcome: 'TIMED_OUT "127.0.0.1:2001" sent nothing for 10000 ms',
    });
  });

  it("is not believed without its end, or with another one", async () => {
    const one = "VALUE a 7 3 2 0\r\nxyz\r\n";
    const ended = '"127.0.0.1:2001" ended its snapshot with';
    for (const [end, outcome] of [
      ["END 17 0 1", `CORRUPT ${ended} "END 17 0 1" after 1 items and 0 deletions`],
      ["END 17 1 0", `CORRUPT ${ended} "END 17 1 0" after 1 items and 0 deletions`],
      ["END 17", `CORRUPT ${ended} "END 17" after 1 items and 0 deletions`],
      ["END", 'REFUSED "127.0.0.1:2001" answered "END" to "node snapshot 0/1"'],
      ["SERVER_ERROR disk", 'REFUSED "127.0.0.1:2001" answered "SERVER_ERROR disk" to "node snapshot 0/1"'],
      ["ERROR", 'REFUSED "127.0.0.1:2001" answered "ERROR" to "node snapshot 0/1"'],
    ]) {
      assertEquals((await ask(`${one}${end}\r\n`, () => true)).outcome, outcome);
    }
  });
});
