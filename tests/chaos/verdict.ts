/** Which findings of a chaos run must not be there. */

import { type Finding, FindingKind } from "../../lib/testing/judge.ts";

/** What asynchronous replication excludes. */
const NEVER: readonly FindingKind[] = [
  FindingKind.wrongValue,
  FindingKind.mapConflict,
  FindingKind.differ,
  FindingKind.unserved,
];

/** With synchronous replication all of them. */
export function unexpectedFindings(findings: readonly Finding[], replication: "async" | "sync"): readonly Finding[] {
  return replication === "sync" ? findings : findings.filter(({ kind }) => NEVER.includes(kind));
}
