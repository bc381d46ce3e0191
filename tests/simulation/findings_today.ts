/**
 * What the judge finds today where it should find nothing: in scenarios without faults, and with one kind of fault and
 * synchronous replication. What is not listed is clean. The tests demand that a row with a seed is found: whoever mends it
 * removes it here and in docs/simulation.md.
 */

import { FindingKind } from "../../lib/testing/judge.ts";

export interface KnownFindings {
  readonly kinds: readonly FindingKind[];
  /** A scenario and the first of its seeds that show one of them; undefined where only one run in many does. */
  readonly shown?: { readonly scenario: string; readonly seed: number };
  readonly why: string;
}

const { earlyRead, forgottenDeletion, lostWrite, staleRead } = FindingKind;

/** By scenario; those of one kind of fault with one and two slaves together. */
export const FINDINGS_TODAY: { readonly [scenario: string]: KnownFindings } = {
  growth: {
    kinds: [lostWrite],
    why: "while a partition is added, two nodes may execute writes of a key",
  },
  lateSlaves: {
    kinds: [earlyRead, staleRead],
    shown: { scenario: "lateSlaves", seed: 1 },
    why: "asynchronous replication promises no more",
  },
};

/** What is known of a scenario. */
export function knownFindings(scenario: string): KnownFindings | undefined {
  return FINDINGS_TODAY[scenario] ?? FINDINGS_TODAY[scenario.replace(/-\d$/, "")];
}

/** The findings that do not end a run of this scenario: its own, and those that need no fault. */
export function toleratedIn(scenario: string): readonly FindingKind[] {
  return [forgottenDeletion, ...(knownFindings(scenario)?.kinds ?? [])];
}
