/**
 * What the newest memcached that was recorded, 1.6.45, answers where it differs from 1.6.18, which the recordings beside the
 * C++ daemons were made with. The newest is the reference.
 */

import { readRepositoryFile } from "../support/repository.ts";

/** One answer: text as latin-1, binary as hex. */
export interface RecordedAnswer {
  readonly reply: string;
  readonly closed: boolean;
}

interface Difference {
  readonly kind: "text" | "binary";
  readonly name: string;
  readonly "1.6.45": RecordedAnswer;
}

const DIFFERENCES: readonly Difference[] = JSON.parse(readRepositoryFile("tests/data/golden_memcached_1_6_45.json"));

/** The answers of one protocol by the names of the recorded cases. */
export function newestAnswers(kind: Difference["kind"]): ReadonlyMap<string, RecordedAnswer> {
  return new Map(DIFFERENCES.filter((each) => each.kind === kind).map((each) => [each.name, each["1.6.45"]]));
}
