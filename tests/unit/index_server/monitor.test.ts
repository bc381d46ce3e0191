/** The health of one node, step by step: pings, failures, pushes, and what comes of them. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import type { MonitorEvent, MonitorState } from "../../../lib/index_server/monitor.ts";
import { PENDING_MAPS_MAX, startMonitor, stepMonitor } from "../../../lib/index_server/monitor.ts";

const OPTIONS = { intervalMs: 1000, threshold: 3 };
const MAP1 = createNodeMap(1, [], 16);
const MAP2 = createNodeMap(2, [], 16);
const MAP3 = createNodeMap(3, [], 16);

/** A monitor under test: each event answers its effects as short texts. */
class Subject {
  state: MonitorState;
  nowMs = 0;

  constructor(down = false, threshold = 3) {
    this.threshold = threshold;
    this.state = startMonitor(MAP1, down, 0, OPTIONS);
  }

  readonly threshold: number;

  send(event: MonitorEvent): string[] {
    const { state, effects } = stepMonitor(this.state, event, this.nowMs, { ...OPTIONS, threshold: this.threshold });
    this.state = state;
    return effects.map((effect) => {
      if (effect.kind === "push") return `push ${effect.map.version}`;
      if (effect.kind === "pushed") return `pushed ${effect.map.version} ${effect.ok ? "ok" : "failed"}`;
      return effect.kind;
    });
  }

  /** Lets the interval pass. */
  tick(): string[] {
    this.nowMs = Math.max(this.nowMs, this.state.dueMs);
    return this.send({ kind: "tick" });
  }

  answer(ok: boolean): string[] {
    return this.send({ kind: "answered", ok });
  }

  /** A whole ping: what came of it. */
  ping(ok: boolean): string[] {
    assertEquals(this.tick(), ["ping"]);
    return this.answer(ok);
  }

  push(map: NodeMap, down = this.state.down): string[] {
    return this.send({ kind: "map", map, down, push: true });
  }
}

/** A monitor whose node has the newest map. */
function confirmed(threshold = 3): Subject {
  const subject = new Subject(false, threshold);
  assertEquals(subject.ping(true), ["push 1"]);
  assertEquals(subject.answer(true), ["pushed 1 ok"]);
  return subject;
}

describe("monitor", () => {
  it("pings an interval after the last exchange, and not before", () => {
    const subject = confirmed();
    assertEquals(subject.state.dueMs, 2000);
    subject.nowMs = 1999;
    assertEquals(subject.send({ kind: "tick" }), []);
    subject.nowMs = 2000;
    assertEquals(subject.send({ kind: "tick" }), ["ping"]);
    assertEquals(subject.send({ kind: "tick" }), [], "one at a time");
    subject.nowMs = 2300;
    assertEquals(subject.answer(true), []);
    assertEquals(subject.state.dueMs, 3300);
  });

  it("says down from the threshold on, until the map agrees", () => {
    const subject = confirmed();
    assertEquals(
      [1, 2, 3, 4].map(() => subject.ping(false)),
      [[], [], ["down"], ["down"]],
    );
    subject.send({ kind: "map", map: MAP2, down: true, push: false });
    assertEquals(subject.ping(false), []);
  });

  it("starts to count again after an answered ping", () => {
    const subject = confirmed();
    assertEquals(
      [false, false, true, false, false].map((ok) => subject.ping(ok)),
      [[], [], [], [], []],
    );
    assertEquals(subject.ping(false), ["down"]);
  });

  it("restarts the count when the node rejoins", () => {
    const subject = confirmed();
    assertEquals(
      [false, false].map((ok) => subject.ping(ok)),
      [[], []],
    );
    assertEquals(subject.send({ kind: "joined" }), []);
    assertEquals(
      [false, false, false].map((ok) => subject.ping(ok)),
      [[], [], ["down"]],
    );
  });

  it("says up when a node answers again after the threshold or is down in the map", () => {
    const subject = confirmed();
    for (let i = 0; i < 4; i++) subject.ping(false);
    assertEquals(subject.ping(true), ["up"]);
    assertEquals(subject.ping(true), []);
    assertEquals(new Subject(true).ping(true), ["up"]);
  });

  it("says up at every answer while the map says down", () => {
    const subject = new Subject(true);
    assertEquals([subject.ping(true), subject.ping(false), subject.ping(true)], [["up"], [], ["up"]]);
    subject.push(MAP2, false);
    subject.answer(true);
    assertEquals(subject.ping(true), []);
  });

  it("pushes at once when idle, and after the ping under way", () => {
    const subject = confirmed();
    assertEquals(subject.push(MAP2), ["push 2"]);
    assertEquals(subject.answer(true), ["pushed 2 ok"]);
    assertEquals(subject.tick(), ["ping"]);
    assertEquals(subject.push(MAP3), []);
    assertEquals(subject.answer(true), ["push 3"]);
    assertEquals(subject.answer(true), ["pushed 3 ok"]);
    assertEquals(subject.ping(true), []);
  });

  it("pushes every map in order", () => {
    const subject = confirmed();
    assertEquals(subject.push(MAP2), ["push 2"]);
    assertEquals(subject.push(MAP3), []);
    assertEquals(subject.answer(true), ["pushed 2 ok", "push 3"]);
    assertEquals(subject.answer(true), ["pushed 3 ok"]);
  });

  it("counts a failed push as a failure, and pushes again until the node has the map", () => {
    const subject = confirmed(2);
    subject.push(MAP2);
    assertEquals(subject.answer(false), ["pushed 2 failed"]);
    assertEquals(subject.state.failures, 1);
    assertEquals(subject.ping(true), ["push 2"]);
    assertEquals(subject.answer(false), ["pushed 2 failed"]);
    assertEquals(subject.state.failures, 0, "a repetition does not count");
    assertEquals(subject.ping(true), ["push 2"]);
    assertEquals(subject.answer(true), ["pushed 2 ok"]);
    assertEquals(subject.ping(true), []);
  });

  it("counts one failed push between two pings", () => {
    const subject = confirmed(2);
    for (const map of [MAP2, MAP3]) {
      subject.push(map);
      assertEquals(subject.answer(false), [`pushed ${map.version} failed`]);
    }
    assertEquals(subject.state.failures, 1);
    assertEquals(subject.ping(false), ["down"]);
  });

  it("lets a failed push complete the threshold", () => {
    const subject = confirmed();
    subject.ping(false);
    subject.ping(false);
    subject.push(MAP2);
    assertEquals(subject.answer(false), ["pushed 2 failed", "down"]);
  });

  it("does not take an acknowledged push for a sign of health", () => {
    const subject = confirmed();
    subject.ping(false);
    subject.ping(false);
    subject.push(MAP2);
    assertEquals(subject.answer(true), ["pushed 2 ok"]);
    assertEquals(subject.ping(false), ["down"]);
    subject.push(MAP3, true);
    assertEquals(subject.answer(true), ["pushed 3 ok"]);
    assertEquals(subject.state.failures, 3);
  });

  it("gives a node that was not told the map after its next answer", () => {
    const subject = confirmed();
    assertEquals(subject.send({ kind: "map", map: MAP2, down: false, push: false }), []);
    assertEquals(subject.ping(false), []);
    assertEquals(subject.ping(true), ["push 2"]);
  });

  it("is not confirmed by an older map", () => {
    const subject = confirmed();
    subject.push(MAP2);
    subject.send({ kind: "map", map: MAP3, down: false, push: false });
    assertEquals(subject.answer(true), ["pushed 2 ok"]);
    assertEquals(subject.ping(true), ["push 3"]);
  });

  it("drops the oldest waiting maps above the limit, and says so", () => {
    const subject = confirmed();
    const maps = Array.from({ length: PENDING_MAPS_MAX + 3 }, (_, i) => createNodeMap(10 + i, [], 16));
    const effects = maps.map((map) => subject.push(map));
    assertEquals(effects[0], ["push 10"]);
    assertEquals(
      effects.slice(1, PENDING_MAPS_MAX).every((each) => each.length === 0),
      true,
    );
    assertEquals(effects.slice(PENDING_MAPS_MAX), [["pushed 11 failed"], ["pushed 12 failed"], ["pushed 13 failed"]]);
    assertEquals(subject.answer(true), ["pushed 10 ok", "push 14"]);
    assertEquals(subject.state.pending.length, PENDING_MAPS_MAX - 1);
  });

  it("drops the oldest while a ping is under way, too", () => {
    const subject = confirmed();
    subject.tick();
    const maps = Array.from({ length: PENDING_MAPS_MAX + 1 }, (_, i) => createNodeMap(10 + i, [], 16));
    const effects = maps.flatMap((map) => subject.push(map));
    assertEquals(effects.length, 1);
    assert(subject.answer(true)[0]?.startsWith("push "));
  });
});
