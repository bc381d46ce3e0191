/**
 * The contract of every real runtime's clock. It uses real time, so the bounds are wide.
 *
 * Runs alone: it measures times.
 *
 * Covers lib/runtime/process/node_clock.ts and lib/runtime/sockets/node_net.ts.
 */

import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { startFile } from "../support/spawn.ts";
import { PeerListener } from "./transport_peer.ts";

const { clock, transport, name } = detectRuntime();

describe(`clock ${name}`, () => {
  it("tells the wall time in milliseconds since 1970", () => {
    assertAlmostEquals(clock.nowMs(), Date.now(), 1_000);
  });

  it("has a second clock that never goes back", async () => {
    let last = clock.monotonicMs();
    for (let i = 0; i < 1_000; i++) {
      const now = clock.monotonicMs();
      assert(now >= last);
      last = now;
    }
    const startMs = clock.monotonicMs();
    await sleep(20);
    const passedMs = clock.monotonicMs() - startMs;
    assert(passedMs >= 15 && passedMs < 2_000, `${passedMs} ms`);
  });

  it("calls once, in time and in order", async () => {
    const calls: string[] = [];
    const startMs = clock.monotonicMs();
    clock.setTimer(() => calls.push("second"), 40);
    clock.setTimer(() => calls.push("first"), 10);
    while (calls.length < 2) await sleep(5);
    assert(clock.monotonicMs() - startMs >= 35);
    await sleep(30);
    assertEquals(calls, ["first", "second"]);
  });

  it("does not call a cleared timer, and clearing twice does no harm", async () => {
    let called = false;
    const timer = clock.setTimer(() => {
      called = true;
    }, 5);
    clock.clearTimer(timer);
    clock.clearTimer(timer);
    await sleep(25);
    assert(!called);
  });

  it("takes delays beyond what the platform knows", async () => {
    let called = false;
    const timer = clock.setTimer(() => {
      called = true;
    }, 1e12);
    await sleep(20);
    assert(!called);
    clock.clearTimer(timer);
  });

  it("keeps the process alive until a timer with keepsProcess has fired", { timeout: 60_000 }, async () => {
    const { status, stdout } = await startFile("tests/contract/clock_timer.ts", ["500", "keeps"]).finished;
    assertEquals([status, stdout], [0, "set\nfired\n"]);
  });

  it("lets the process end before any other timer fires", { timeout: 60_000 }, async () => {
    // Were it waited for, this test would run out of time.
    const { status, stdout } = await startFile("tests/contract/clock_timer.ts", ["600000"]).finished;
    assertEquals([status, stdout], [0, "set\n"]);
  });

  it("defers to after the microtasks and before later timers", async () => {
    const calls: string[] = [];
    clock.defer(() => calls.push("deferred"));
    queueMicrotask(() => calls.push("microtask"));
    calls.push("now");
    while (calls.length < 3) await sleep(1);
    assertEquals(calls, ["now", "microtask", "deferred"]);
  });

  it("defers to after the other sockets that are ready", async () => {
    const count = 8;
    const calls: string[] = [];
    const listener = await PeerListener.start(transport, { host: "127.0.0.1", port: 0 }, (peer) => {
      peer.handleData = () => {
        calls.push("data");
        if (calls.length === 1) clock.defer(() => calls.push("deferred"));
      };
    });
    const pairs = [];
    for (let i = 0; i < count; i++) pairs.push(await listener.pair());
    for (const { client } of pairs) client.connection.write(new Uint8Array(1));
    // Until all of them lie in the kernel, no turn of the loop may begin.
    const startMs = clock.monotonicMs();
    while (clock.monotonicMs() - startMs < 20);
    while (calls.length < count + 1) await sleep(1);
    assertEquals(calls.indexOf("deferred"), count);
    for (const { client } of pairs) client.connection.destroy();
    await listener.stop();
  });
});
