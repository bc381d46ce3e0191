/** Which findings of a chaos run must not be there, and which faults a cluster stands today without any of them. */

import { type Finding, FindingKind } from "../../lib/testing/judge.ts";
import type { FaultKind } from "./chaos_faults.ts";

/** docs/chaos.md says what the others show, and why. */
export const CLEAN_KINDS: readonly FaultKind[] = ["kill", "stop", "power", "fullDisk", "brokenDisk"];

/** What needs no fault at all: `findings_today.ts` of the simulation has the reasons. */
const ALWAYS: readonly FindingKind[] = [FindingKind.earlyRead, FindingKind.forgottenDeletion];
/** What asynchronous replication excludes. */
const NEVER: readonly FindingKind[] = [
  FindingKind.wrongValue,
  FindingKind.mapConflict,
  FindingKind.differ,
  FindingKind.unserved,
];

export function unexpectedFindings(findings: readonly Finding[], replication: "async" | "sync"): readonly Finding[] {
  return findings.filter(({ kind }) => (replication === "sync" ? !ALWAYS.includes(kind) : NEVER.includes(kind)));
}
