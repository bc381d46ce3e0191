/**
 * The two ends of the leases, with clocks that run at their own pace and a network that delays and loses: never may a slave
 * take over while its master still answers, nor read when its master goes on without it. Covers
 * lib/replication/stream/beacons.ts, lib/replication/stream/given_lease.ts, lib/replication/stream/lease_times.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Beacons } from "../../../../lib/replication/stream/beacons.ts";
import { GivenLease } from "../../../../lib/replication/stream/given_lease.ts";
import { leaseEnds, leaseTimes } from "../../../../lib/replication/stream/lease_times.ts";
import { SimRandom } from "../../../../lib/testing/sim_random.ts";

const TIMES = leaseTimes(5000);
const NEVER = Number.NEGATIVE_INFINITY;

/** A beacon as the slave gets it. */
function said(beacons: Beacons, nowMs: number, reads = true, partitions = 1) {
  return { ...beacons.next(nowMs, TIMES, reads, partitions), id: "", replicated: 0, reached: 0 };
}

describe("a lease", () => {
  it("begins with the beacon that is answered for the master, with one that is proved for the slave", () => {
    const [beacons, lease] = [new Beacons(), new GivenLease()];
    const first = said(beacons, 1000);
    lease.take(first, 500);
    assertEquals([beacons.masterUntilMs, lease.readsUntilMs, lease.masterUntilMs], [NEVER, NEVER, 500 + leaseEnds(4000)]);
    beacons.answered(first.number, 1100);
    assertEquals([beacons.masterUntilMs, beacons.slaveUntilMs], [5000, NEVER]);
    lease.take(said(beacons, 1500), 900);
    assertEquals([lease.readsUntilMs, beacons.slaveUntilMs], [500 + 3000, 1100 + leaseEnds(3000)]);
  });

  it("is given up at a word, unless a later one renews it, and an old one changes nothing", () => {
    const [beacons, lease] = [new Beacons(), new GivenLease()];
    for (const nowMs of [0, 10]) {
      const beacon = said(beacons, nowMs);
      lease.take(beacon, nowMs);
      beacons.answered(beacon.number, nowMs);
    }
    const [old, end, later] = [said(beacons, 20), said(beacons, 30, false), said(beacons, 40)];
    lease.take(end, 30);
    lease.take(old, 35);
    assertEquals(lease.readsUntilMs, NEVER);
    beacons.answered(end.number, 40);
    assertEquals(beacons.slaveUntilMs, 10 + leaseEnds(3000));
    beacons.answered(later.number, 50);
    const last = said(beacons, 60, false);
    beacons.answered(last.number, 70);
    assertEquals(beacons.slaveUntilMs, NEVER);
    lease.take({ ...last, masterMs: 0 }, 80);
    assertEquals([lease.masterUntilMs, lease.othersUntilMs > 80], [NEVER, true]);
  });

  it("lasts as long as it would have when its master is none any more, and nobody gets one then", () => {
    const [beacons, reader, other] = [new Beacons(), new GivenLease(), new GivenLease()];
    for (const nowMs of [0, 10]) {
      const beacon = said(beacons, nowMs);
      reader.take(beacon, nowMs);
      other.take({ ...beacon, slaveMs: 0 }, nowMs);
      beacons.answered(beacon.number, nowMs);
    }
    const before = [reader.readsUntilMs, beacons.slaveUntilMs];
    for (const lease of [reader, other]) lease.take({ ...beacons.last(TIMES, 1), id: "", replicated: 0, reached: 0 }, 2000);
    assertEquals([reader.readsUntilMs, beacons.slaveUntilMs], before);
    assertEquals([other.readsUntilMs, other.masterUntilMs, reader.masterUntilMs], [NEVER, NEVER, NEVER]);
  });

  it("is nobody's on a new stream", () => {
    const [beacons, lease] = [new Beacons(), new GivenLease()];
    const beacon = said(beacons, 0);
    lease.take(beacon, 0);
    beacons.begin(true);
    lease.begin();
    beacons.answered(beacon.number, 1);
    const next = said(beacons, 2);
    assertEquals([beacons.masterUntilMs, next.proved, beacons.slaveUntilMs], [NEVER, 0, NEVER]);
    lease.take({ ...next, proved: beacon.number }, 2);
    assertEquals(lease.readsUntilMs, NEVER);
  });

  it("counts for a replica that has heard how many partitions there are", () => {
    const [beacons, lease] = [new Beacons(), new GivenLease()];
    assertEquals(beacons.unawareUntilMs(1), NEVER);
    for (const nowMs of [0, 10]) beacons.answered(said(beacons, nowMs).number, nowMs);
    const untilMs = beacons.slaveUntilMs;
    assertEquals([beacons.unawareUntilMs(1), beacons.unawareUntilMs(2)], [NEVER, untilMs]);
    // One that was sent before is no sign that it knows, what is sent from now on does not prolong what it had.
    const before = said(beacons, 20);
    const after = said(beacons, 30, true, 2);
    lease.take(before, 30);
    beacons.answered(before.number, 30);
    assertEquals([lease.partitions, beacons.unawareUntilMs(2)], [1, beacons.slaveUntilMs]);
    assert(beacons.slaveUntilMs > untilMs);
    lease.take(after, 40);
    lease.take(before, 50);
    beacons.answered(after.number, 50);
    assertEquals([lease.partitions, beacons.unawareUntilMs(2), beacons.unawareUntilMs(3)], [2, NEVER, beacons.slaveUntilMs]);
    // The answer may be lost with its connection: the next one says the same. A new stream begins without a lease.
    const leftMs = beacons.slaveUntilMs;
    said(beacons, 60, true, 3);
    beacons.begin(false);
    assertEquals(beacons.unawareUntilMs(3), leftMs);
    beacons.answered(said(beacons, 70, true, 3).number, 80);
    assertEquals(beacons.unawareUntilMs(3), NEVER);
    said(beacons, 90, true, 4);
    beacons.begin(true);
    assertEquals(beacons.unawareUntilMs(4), NEVER);
  });

  it("never overlaps with what follows it, whatever the clocks and the network do", () => {
    let renewed = 0;
    let unaware = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const random = new SimRandom(String(seed));
      const [beacons, lease] = [new Beacons(), new GivenLease()];
      // Each clock has its own zero and pace, up to 20 % off.
      const clock = () => ({ zero: random.between(0, 100_000), pace: 0.8 + random.between(0, 400) / 1000 });
      const [master, slave] = [clock(), clock()];
      const at = ({ zero, pace }: { zero: number; pace: number }, ms: number): number => zero + ms * pace;
      const toSlave: { ms: number; beacon: ReturnType<typeof said> }[] = [];
      const toMaster: { ms: number; number: number }[] = [];
      let lastSent = 0;
      let lastAnswer = 0;
      // A partition is added, which the slave's map may not have until the end.
      const addedMs = random.between(0, 25_000);
      // The master may cease to be one, and says so.
      const leavesMs = random.between(0, 60) * 1000;
      for (let ms = 0; ms < 30_000; ms += 50) {
        if (ms % 500 === 0) {
          lastSent = Math.max(lastSent, ms + random.between(0, random.chance(0.1) ? 6000 : 100));
          const partitions = ms < addedMs ? 1 : 2;
          const beacon =
            ms === leavesMs
              ? { ...beacons.last(TIMES, partitions), id: "", replicated: 0, reached: 0 }
              : said(beacons, at(master, ms), random.chance(0.9), partitions);
          if (ms <= leavesMs) toSlave.push({ ms: lastSent, beacon });
        }
        for (let first = toSlave[0]; first !== undefined && first.ms <= ms; first = toSlave[0]) {
          toSlave.shift();
          lease.take(first.beacon, at(slave, ms));
          lastAnswer = Math.max(lastAnswer, ms + random.between(0, random.chance(0.1) ? 6000 : 100));
          toMaster.push({ ms: lastAnswer, number: first.beacon.number });
        }
        for (let first = toMaster[0]; first !== undefined && first.ms <= ms; first = toMaster[0]) {
          toMaster.shift();
          beacons.answered(first.number, at(master, ms));
        }
        const isMaster = ms < leavesMs && at(master, ms) < beacons.masterUntilMs;
        const mayTakeOver = at(slave, ms) >= lease.masterUntilMs;
        assert(!(isMaster && mayTakeOver), `seed ${seed}: two masters at ${ms} ms`);
        const reads = at(slave, ms) < lease.readsUntilMs;
        const isOut = at(master, ms) >= beacons.slaveUntilMs;
        assert(!(reads && isOut), `seed ${seed}: a slave that is out reads at ${ms} ms`);
        if (isMaster && reads) renewed++;
        const isUnaware = reads && lease.partitions < 2;
        if (isUnaware) unaware++;
        const isOver = ms >= addedMs && at(master, ms) >= beacons.unawareUntilMs(2);
        assert(!(isUnaware && isOver), `seed ${seed}: a slave reads by an older map at ${ms} ms`);
      }
    }
    assert(renewed > 10_000 && unaware > 10_000, `${renewed}, ${unaware}`);
  });
});
