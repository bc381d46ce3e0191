/**
 * What the judge finds today where it should find nothing: in scenarios without faults, and with one kind of fault and
 * synchronous replication. What is not listed is clean. The tests demand that a row with a seed is found: whoever mends it
 * removes it here and in docs/simulation.md.
 */

import { FindingKind } from "./judge.ts";

export interface KnownFindings {
  readonly kinds: readonly FindingKind[];
  /** A scenario and the first of its seeds that show one of them; undefined where only one run in many does. */
  readonly shown?: { readonly scenario: string; readonly seed: number };
  readonly why: string;
}

const { appliedTwice, differ, earlyRead, forgottenDeletion, lostWrite, notLinearizable, staleRead, unserved } = FindingKind;

const NO_LEASE = "who is cut off or paused goes on answering: nothing tells it that another one is the master now";
const RARE = "a restart at the wrong moment leaves a gap in a slave";
const DISK = "a slave whose disk fails is not fenced when it leaves";
const SPLIT = [staleRead, lostWrite, appliedTwice, notLinearizable, differ, unserved];

/** By scenario; those of one kind of fault with one and two slaves together. */
export const FINDINGS_TODAY: { readonly [scenario: string]: KnownFindings } = {
  growth: {
    kinds: [forgottenDeletion, lostWrite],
    shown: { scenario: "growth", seed: 21 },
    why: "a moved key leaves its tombstone behind; and while a partition is added, two nodes may execute writes of a key",
  },
  slowPeers: {
    kinds: [earlyRead],
    shown: { scenario: "slowPeers", seed: 1 },
    why: "the master shows a write before its slaves have it",
  },
  lateSlaves: {
    kinds: [staleRead],
    shown: { scenario: "lateSlaves", seed: 1 },
    why: "asynchronous replication promises no more",
  },
  "sync-kill": { kinds: [staleRead, lostWrite, differ], why: RARE },
  "sync-stop": { kinds: [staleRead, differ], why: RARE },
  "sync-power": { kinds: [staleRead, differ, unserved], shown: { scenario: "sync-power-1", seed: 1 }, why: RARE },
  "sync-pause": { kinds: SPLIT, shown: { scenario: "sync-pause-1", seed: 1 }, why: NO_LEASE },
  "sync-cut": { kinds: SPLIT, shown: { scenario: "sync-cut-2", seed: 2 }, why: NO_LEASE },
  "sync-indexCut": { kinds: SPLIT, shown: { scenario: "sync-indexCut-2", seed: 1 }, why: NO_LEASE },
  "sync-isolate": { kinds: SPLIT, shown: { scenario: "sync-isolate-1", seed: 1 }, why: NO_LEASE },
  "sync-loss": { kinds: SPLIT, why: NO_LEASE },
  "sync-fullDisk": {
    kinds: [staleRead, lostWrite, appliedTwice, notLinearizable],
    why: "an answer may show a change of the same turn whose append then fails",
  },
  "sync-brokenDisk": { kinds: SPLIT, why: DISK },
  "sync-failingSync": { kinds: SPLIT, why: DISK },
  "sync-failingRead": { kinds: SPLIT, why: DISK },
  "sync-drift": { kinds: SPLIT, why: NO_LEASE },
  "sync-secondIndex": {
    kinds: SPLIT,
    shown: { scenario: "sync-secondIndex-1", seed: 8 },
    why: NO_LEASE,
  },
};

/** What is known of a scenario. */
export function knownFindings(scenario: string): KnownFindings | undefined {
  return FINDINGS_TODAY[scenario] ?? FINDINGS_TODAY[scenario.replace(/-\d$/, "")];
}

/** The findings that do not end a run of this scenario: its own, and those that need no fault. */
export function toleratedIn(scenario: string): readonly FindingKind[] {
  return [forgottenDeletion, earlyRead, ...(knownFindings(scenario)?.kinds ?? [])];
}
