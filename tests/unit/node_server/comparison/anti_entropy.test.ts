/** The comparison in the background: its pace, what it counts and says, and that nothing ends it but its end. */

import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import type { ClusterNode } from "../../../../lib/cluster/node.ts";
import { AntiEntropy } from "../../../../lib/node_server/comparison/anti_entropy.ts";
import type { NodeSettings } from "../../../../lib/node_server/node_options.ts";
import type { ComparePage } from "../../../../lib/protocol/comparison.ts";
import { StorageWorld } from "../../../support/storage_world.ts";

const START_MS = 600_000;
const NOTHING: Omit<ComparePage, "items" | "reached"> = { differences: [], busy: 0 };

/** A comparison whose pages the test writes. */
class Played {
  readonly world = new StorageWorld();
  readonly options: { antiEntropy: NodeSettings["antiEntropy"]; antiEntropyKeysPerSecond: number } = {
    antiEntropy: "report",
    antiEntropyKeysPerSecond: 1000,
  };
  readonly replicas = ["a:1", "b:1"].map((key) => ({ key }) as ClusterNode);
  /** `<replica> <after> <repair> @<seconds>` of each page. */
  readonly asked: string[] = [];
  answer: (replica: string, after: string) => ComparePage = () => ({ ...NOTHING, items: 500, reached: undefined });
  readonly antiEntropy = new AntiEntropy({ runtime: this.world.runtime, options: this.options as NodeSettings }, this);
  readonly #startMs = this.world.nowMs;

  async page(replica: string, after: Uint8Array, repair: boolean): Promise<ComparePage> {
    const seconds = (this.world.nowMs - this.#startMs) / 1000;
    this.asked.push(`${replica} ${latin1(after)} ${repair} @${seconds}`);
    return this.answer(replica, latin1(after));
  }

  get figures(): number[] {
    const { rounds, items, differences, repairs } = this.antiEntropy;
    return [rounds, items, differences, repairs];
  }
}

describe("the comparison in the background", () => {
  it("begins late, goes at its pace from slave to slave, pauses, and begins again", async () => {
    const played = new Played();
    played.answer = (_, after) => ({ ...NOTHING, items: 500, reached: after === "k" ? undefined : fromLatin1("k") });
    played.antiEntropy.start();
    await played.world.advance(START_MS - 1);
    assertEquals(played.asked, []);
    await played.world.advance(2001);
    const first = ["a:1  false @600", "a:1 k false @600.5", "b:1  false @601", "b:1 k false @601.5"];
    assertEquals(played.asked, first);
    assertEquals(played.figures, [2, 2000, 0, 0]);
    await played.world.advance(59_000);
    assertEquals(played.asked.length, 4);
    played.options.antiEntropyKeysPerSecond = 100;
    await played.world.advance(7_000);
    assertEquals(played.asked.slice(4), ["a:1  false @662", "a:1 k false @667"]);
    played.antiEntropy.stop();
    await played.world.advance(1_000_000);
    assertEquals(played.asked.length, 6);
  });

  it("counts and reports what differs, and repairs if it has to", async () => {
    const played = new Played();
    played.options.antiEntropy = "repair";
    const key = fromLatin1("key");
    played.answer = (replica) => ({
      items: 3,
      busy: 0,
      reached: undefined,
      differences:
        replica === "b:1"
          ? []
          : [
              { key, masterVersion: 5, replicaVersion: 4, isRepaired: true },
              { key, masterVersion: 5, replicaVersion: undefined, isRepaired: false },
            ],
    });
    played.antiEntropy.start();
    await played.world.advance(START_MS + 1000);
    assertEquals(played.asked, ["a:1  true @600", "b:1  true @600.01"]);
    assertEquals(played.figures, [2, 6, 2, 1]);
    assertEquals(played.world.messages("warning"), [
      'slave "a:1" differs from this master: key "key" has version 5 here, version 4 there; repaired',
      'slave "a:1" was compared: 2 key(s) differed from this master',
    ]);
    played.antiEntropy.stop();
  });

  it("leaves out a slave that cannot be compared, whatever the reason, until the next time", async () => {
    const played = new Played();
    const faults = [
      new FlareError("REFUSED", "the map is changing", { retriable: true }),
      new FlareError("UNSUPPORTED", "it does not know the comparison"),
      new TypeError("a bug"),
    ];
    played.answer = (replica) => {
      const fault = replica === "a:1" ? faults.shift() : undefined;
      if (fault !== undefined) throw fault;
      return { ...NOTHING, items: 1, reached: undefined };
    };
    played.antiEntropy.start();
    await played.world.advance(START_MS + 3 * 61_000);
    assertEquals(played.figures.slice(0, 2), [5, 5]);
    assertStringIncludes(played.world.messages("info").join("\n"), "the map is changing");
    assertEquals(played.world.messages("warning").length, 2);
    played.antiEntropy.stop();
  });

  it("does nothing while it is off, and ends when it is turned off", async () => {
    const played = new Played();
    played.options.antiEntropy = "off";
    played.answer = () => ({ ...NOTHING, items: 500, reached: fromLatin1("k") });
    played.antiEntropy.start();
    await played.world.advance(START_MS + 10_000);
    assertEquals(played.asked, []);
    played.options.antiEntropy = "report";
    await played.world.advance(60_000);
    const { length } = played.asked;
    assertEquals(length > 10, true);
    played.options.antiEntropy = "off";
    await played.world.advance(10_000);
    assertEquals(played.asked.length, length);
    assertEquals(played.antiEntropy.rounds, 0);
    played.antiEntropy.stop();
  });
});
