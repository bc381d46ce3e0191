/** When records were written, and how large they are together. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { WriteTimes } from "../../../../lib/replication/stream/write_times.ts";

describe("the times of writes", () => {
  it("say when a record was written, how much came since, and what is older than a time", () => {
    const times = new WriteTimes(1000);
    times.note(1, 3, 300, 2000);
    times.note(4, 4, 100, 3000);
    assertEquals([times.msOf(1), times.msOf(3), times.msOf(4), times.msOf(5)], [2000, 2000, 3000, 3000]);
    assertEquals([times.bytesFrom(1), times.bytesFrom(2), times.bytesFrom(4)], [400, 400, 100]);
    assertEquals(
      [999, 1000, 1999, 2000, 2999, 3000].map((ms) => times.lastAt(ms)),
      [0, 0, 0, 3, 3, 4],
    );
  });

  it("take what was written before for written at the beginning", () => {
    const times = new WriteTimes(1000);
    times.note(50, 50, 1, 2000);
    assertEquals([times.msOf(7), times.lastAt(1500)], [1000, 49]);
  });

  it("never make a record younger, or what is due by a time less, however many there are and whatever is forgotten", () => {
    const times = new WriteTimes(0);
    const written: number[] = [];
    let forgotten = 0;
    for (let sequence = 1, nowMs = 0; sequence <= 20_000; sequence++) {
      nowMs += (sequence * 7919) % 23;
      written[sequence] = nowMs;
      times.note(sequence, sequence, 10, nowMs);
      if (sequence % 5000 === 0) {
        forgotten = sequence - 4000;
        times.forget(forgotten);
      }
    }
    const spacingMs = 10 * 2 ** 8;
    for (let sequence = Math.max(1, forgotten); sequence <= 20_000; sequence += 37) {
      const ms = written[sequence] as number;
      assert(times.msOf(sequence) <= ms && times.msOf(sequence) > ms - spacingMs, `${sequence}`);
      assert(times.bytesFrom(sequence) >= 10 * (20_000 - sequence + 1), `${sequence}`);
      assert(times.lastAt(ms) >= sequence, `${sequence}`);
    }
  });

  it("are exact again when nobody lacks anything", () => {
    const times = new WriteTimes(0);
    for (let sequence = 1; sequence <= 5000; sequence++) times.note(sequence, sequence, 1, sequence * 20);
    times.forget(5000);
    times.note(5001, 5001, 1, 200_000);
    times.note(5002, 5002, 1, 200_010);
    assertEquals([times.msOf(5001), times.msOf(5002), times.bytesFrom(5002)], [200_000, 200_010, 1]);
  });
});
