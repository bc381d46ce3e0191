/**
 * Virtual time keeps what every clock promises, and nothing but the seed decides what happens.
 *
 * Covers lib/testing/sim_clock.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { SimWorld } from "../../lib/testing/sim_world.ts";

describe("simulated clock", () => {
  it("calls once, in time and in order", async () => {
    const world = new SimWorld("clock");
    const { clock } = world.host("h").start();
    const calls: [string, number][] = [];
    for (const [name, delayMs] of [
      ["late", 40],
      ["early", 10],
      ["same", 40],
    ] as const) {
      clock.setTimer(() => calls.push([name, clock.monotonicMs()]), delayMs);
    }
    await world.drive(world.sleep(100), 1000);
    assertEquals(calls, [
      ["early", 10],
      ["late", 40],
      ["same", 40],
    ]);
  });

  it("does not call a cleared timer, not even one that is due", async () => {
    const world = new SimWorld("clock");
    const { clock } = world.host("h").start();
    const calls: string[] = [];
    const second = { timer: {} };
    clock.setTimer(() => {
      calls.push("first");
      clock.clearTimer(second.timer);
    }, 10);
    second.timer = clock.setTimer(() => calls.push("second"), 10);
    await world.drive(world.sleep(100), 1000);
    assertEquals(calls, ["first"]);
  });

  it("defers to after the microtasks and what else is due, and before later timers", async () => {
    const world = new SimWorld("clock");
    const { clock } = world.host("h").start();
    const calls: string[] = [];
    clock.setTimer(() => {
      clock.defer(() => calls.push("deferred"));
      queueMicrotask(() => calls.push("microtask"));
    }, 5);
    clock.setTimer(() => calls.push("due"), 5);
    clock.setTimer(() => calls.push("later"), 6);
    await world.drive(world.sleep(100), 1000);
    assertEquals(calls, ["microtask", "due", "deferred", "later"]);
  });

  it("moves the wall clock alone", () => {
    const world = new SimWorld("clock");
    const { clock } = world.host("h").start();
    const [wallMs, monotonicMs] = [clock.nowMs(), clock.monotonicMs()];
    world.host("h").clock.wallOffsetMs = -5000;
    assertEquals([clock.nowMs(), clock.monotonicMs()], [wallMs - 5000, monotonicMs]);
  });

  it("runs fast or slow on one machine, wall clock and timers too, and never back", async () => {
    const world = new SimWorld("clock");
    const [fast, slow] = [world.host("fast"), world.host("slow")];
    const clocks = [fast.start().clock, slow.start().clock];
    const epochMs = clocks[0]?.nowMs() ?? 0;
    fast.clock.rate = 1.2;
    const calls: string[] = [];
    for (const clock of clocks) clock.setTimer(() => calls.push(`${clock.monotonicMs()} ${world.nowMs}`), 600);
    await world.drive(world.sleep(100), 1000);
    slow.clock.rate = 0.8;
    await world.drive(world.sleep(900), 10_000);
    // 500 ms of 1.2, and 100 ms of 1 with 625 ms of 0.8: the timer waits for the slow clock.
    assertEquals(calls, ["600 500", "600 725"]);
    fast.clock.rate = 1;
    assertEquals(
      clocks.map((clock) => Math.round(clock.monotonicMs())),
      [1200, 820],
    );
    assertEquals(
      clocks.map((clock) => clock.nowMs() - epochMs),
      [1200, 820],
    );
  });

  it("says when nothing happens any more", async () => {
    const world = new SimWorld("clock");
    const error = await assertRejects(() => world.drive(new Promise<void>(() => undefined), 1000), Error);
    assertEquals(error.message, "not finished after 1000 ms of virtual time");
  });
});

describe("simulated chance", () => {
  it("is the same for the same seed only", () => {
    const sequence = (seed: string) => {
      const random = new SimRandom(seed);
      return Array.from({ length: 20 }, () => random.uint32());
    };
    assertEquals(sequence("a"), sequence("a"));
    assertNotEquals(sequence("a"), sequence("b"));
  });

  it("is spread evenly", () => {
    const random = new SimRandom("even");
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) (counts[random.between(0, 9)] as number)++;
    assert(
      counts.every((count) => count > 900 && count < 1100),
      counts.join(),
    );
    assertEquals([...random.shuffle([1, 2, 3, 4, 5])].sort(), [1, 2, 3, 4, 5]);
  });
});
