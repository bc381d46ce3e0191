/** The files of a change log: their names, and what is known about each. */

const SEGMENT_NAME = /^changes-(\d{16})\.log$/;

/** The file name of a segment. */
export function logSegmentName(number: number): string {
  return `changes-${String(number).padStart(16, "0")}.log`;
}

/** The number in a segment's file name, undefined for other files. */
export function logSegmentNumber(name: string): number | undefined {
  const digits = SEGMENT_NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A file of the log. */
export interface LogSegment {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  /** The sequence of its first record. */
  readonly firstSequence: number;
  /** See `LogSegmentHeader`. */
  readonly history: string;
}
