/**
 * What a metric is: its name, its kind, what it means, and where its value is read at the moment of a scrape. Nothing is
 * counted for metrics alone.
 */

/** `counter` only increases, until a restart or `stats reset`; a `histogram` is counted by size. */
export type MetricKind = "counter" | "gauge" | "histogram";

/** Observations by size, in seconds. */
export interface HistogramView {
  /** The upper bounds of the buckets, ascending, without the infinite one. */
  readonly bounds: readonly number[];
  /** How many observations are in each bucket alone; one entry more than bounds. */
  readonly counts: ArrayLike<number>;
  /** The sum of all observations. */
  readonly sum: number;
}

/** Writes a sample: its value, undefined = there is none, and the values of the metric's labels in their order. */
export type PutSample = (value: number | bigint | HistogramView | undefined, ...labels: string[]) => void;

/** A metric of a server; `Source` is what it reads. */
export interface Metric<Source> {
  /** By the rules of Prometheus: with the base unit, counters with `_total`. */
  readonly name: string;
  readonly kind: MetricKind;
  /** What it means, one sentence without a period. */
  readonly help: string;
  /** The names of its labels. */
  readonly labels: readonly string[];
  read(source: Source, put: PutSample): void;
}

/** A metric without labels. */
export function metric<Source>(
  name: string,
  kind: MetricKind,
  help: string,
  value: (source: Source) => Parameters<PutSample>[0],
): Metric<Source> {
  return { name, kind, help, labels: [], read: (source, put) => put(value(source)) };
}
