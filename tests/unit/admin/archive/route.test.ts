/** The way through archived logs: which log it takes, where it changes, and what it says where there is none. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { ArchiveIndex, type StoredPart } from "../../../../lib/admin/archive/archive_index.ts";
import { RouteFinder, type RouteStart } from "../../../../lib/admin/archive/route.ts";
import { FlareError } from "../../../../lib/base/errors.ts";

const [A, A2, B, C] = ["a", "d", "b", "c"].map((letter) => letter.repeat(16)) as [string, string, string, string];
const nodes: Readonly<Record<string, string>> = { [A]: "a:1", [A2]: "a:1", [B]: "b:1", [C]: "c:1" };

/** `stamps`: `sequence second label`; `marks`: `at history sequence`. */
function part(
  history: string,
  [first, last]: readonly [number, number],
  stamps: readonly string[],
  more: {
    readonly marks?: readonly (readonly [number, string, number])[];
    readonly reached?: number;
    readonly follows?: StoredPart["follows"];
  } = {},
): StoredPart {
  const { marks = [], reached = 0, follows } = more;
  return {
    history,
    firstSequence: first,
    records: last - first + 1,
    second: 0,
    node: nodes[history] ?? "",
    salt: 0,
    bytes: 0,
    crc32: "",
    reached,
    stamps: stamps.map((text) => {
      const [sequence, second, ...label] = text.split(" ");
      return { sequence: Number(sequence), second: Number(second), label: label.join(" ") };
    }),
    marks: marks.map(([at, other, sequence]) => ({ at, history: other, sequence })),
    path: `${history}-${first}`,
    headBytes: 0,
    ...(follows === undefined ? {} : { follows }),
  };
}

const start: RouteStart = { history: A, sequence: 10, momentMs: 100_500, partition: 0, partitions: 1 };

function finder(...parts: StoredPart[]): RouteFinder {
  return new RouteFinder(new ArchiveIndex(parts), start);
}

function wayOf(found: RouteFinder, second: number): string {
  return found
    .to(second)
    .legs.map(({ log, after, last }) => `${log.history[0]}:${after + 1}-${last}`)
    .join(" ");
}

const refusal = (found: RouteFinder, second: number): string =>
  assertThrows(() => found.to(second), FlareError).message.replaceAll(
    /1970-01-01T00:0(\d):(\d\d)Z/g,
    (_, m, s) => `${Number(m) * 60 + Number(s)}`,
  );

describe("a way to a point in time", () => {
  const whole = part(A, [1, 40], ["1 90 master 0/1 5", "20 101 master 0/1 5", "40 120 master 0/1 5"], { reached: 130 });

  it("goes through the log of the snapshot as far as that reaches", () => {
    const found = finder(whole);
    assertEquals([found.first, found.last], [101, 130]);
    for (const second of [101, 120, 125, 130]) assertEquals(wayOf(found, second), "a:11-40");
    assertEquals(refusal(found, 100), "the backup of partition 0 is of 101, restore an earlier one to reach 100");
    const later = "wait until its nodes have archived more, or give an earlier time";
    assertEquals(refusal(found, 131), `partition 0: the archive reaches to 130, not to 131: ${later}`);
  });

  it("goes on in the next log of the same directory, and not beyond what was lost there", () => {
    const next = (sequence: number) =>
      part(A2, [sequence + 1, 60], [`${sequence + 2} 140 master 0/1 5`, "60 150 master 0/1 5"], {
        follows: { history: A, sequence },
      });
    assertEquals(wayOf(finder(whole, next(40)), 150), "a:11-40 d:41-60");
    assertEquals(wayOf(finder(whole, next(38)), 150), "a:11-38 d:39-60", "a power cut took two records");
    assertEquals(wayOf(finder(whole, next(40)), 135), "a:11-40 d:41-60", "nothing was written between the runs");
    assertEquals(wayOf(finder(whole, next(40)), 130), "a:11-40");
    const gap = "give the archives of all nodes, a backup taken after the gap, or a time up to 130";
    assertEquals(
      refusal(finder(whole, part(A, [50, 60], ["50 140 master 0/1 5"])), 140),
      `partition 0: changes 41 to 49 of the log ${A} of "a:1" are missing; the archive reaches to 130: ${gap}`,
    );
  });

  const slave = part(B, [1, 90], ["1 90 slave 0/1 5", "50 120 slave 0/1 5", "60 125 master 0/1 6", "90 140 master 0/1 6"], {
    marks: [
      [20, A, 10],
      [55, A, 39],
    ],
  });

  it("changes to the log of the slave that was promoted", () => {
    const found = finder(whole, slave);
    assertEquals(wayOf(found, 120), "a:11-40", "the master's log, while it is the master");
    assertEquals(wayOf(found, 125), "a:11-40");
    // From here another is the master, whatever the former one wrote alone.
    assertEquals(wayOf(found, 126), "b:21-90".replace("b", "a:11-10 b"));
    assertEquals(found.last, 140);
  });

  it("uses a slave's log where the master's is not there, and none of a slave that is out", () => {
    const short = part(A, [1, 30], ["1 90 master 0/1 5", "20 101 master 0/1 5"], { reached: 105 });
    assertEquals(wayOf(finder(short, slave), 110), "a:11-10 b:21-90");
    const out = part(B, [1, 90], ["1 90 slave 0/1 5", "50 103 ", "90 140 "], { marks: [[20, A, 10]] });
    assertEquals(finder(short, out).last, 105);
  });

  it("is not a former master's if another's log is there and not connected", () => {
    const strange = part(C, [1, 9], ["1 115 master 0/1 6", "9 150 master 0/1 6"]);
    const found = finder(whole, strange);
    assertEquals(found.last, 115);
    const text = 'partition 0: "c:1" was its master from 115 on, and the archive does not connect its log with this backup';
    assertEquals(
      refusal(found, 116),
      `${text}: give the archives of all nodes, a backup taken after the gap, or a time up to 115`,
    );
  });

  it("ends where a partition is added", () => {
    const grown = part(A, [1, 40], ["1 90 master 0/1 5", "30 110 master 0/2 6", "40 120 master 0/2 6"]);
    const found = finder(grown);
    assertEquals([wayOf(found, 110), found.last], ["a:11-40", 110]);
    const advice = "restore a backup taken after that, or give an earlier time";
    assertEquals(refusal(found, 111), `partition 0: the cluster had 1 partitions, from 110 on 2: ${advice}`);
  });

  it("needs the log of the backup", () => {
    const text = `partition 0: the log of its backup (${A}, from change 11 on) is not in the archive`;
    assertEquals(refusal(finder(slave), 120), `${text}: give all archives, or a backup taken after they began`);
    assertEquals(finder(slave).last, undefined);
  });
});
