/**
 * The last hour of a cluster in steps of five seconds: sums over its nodes, for lag and latency the worst of them. It takes the
 * same memory whatever happens. Pure; the caller says when.
 */

import type { ClusterPicture, PictureNode } from "./cluster_picture.ts";

/** The length of a step. */
export const STEP_MS = 5000;
/** How many are kept: an hour. */
export const STEPS_MAX = 720;

/** What is kept of a step. Requests that one node passes on to another count at both. */
const FIELDS = {
  get: ({ nodes }: ClusterPicture) => sum(nodes, ({ rates }) => rates.get),
  set: ({ nodes }: ClusterPicture) => sum(nodes, ({ rates }) => rates.set),
  hits: ({ nodes }: ClusterPicture) => sum(nodes, ({ rates }) => rates.hits),
  misses: ({ nodes }: ClusterPicture) => sum(nodes, ({ rates }) => rates.misses),
  p50: ({ nodes }: ClusterPicture) => worst(nodes, ({ latencyMs }) => latencyMs?.p50 ?? null),
  p99: ({ nodes }: ClusterPicture) => worst(nodes, ({ latencyMs }) => latencyMs?.p99 ?? null),
  lagS: ({ nodes }: ClusterPicture) => worst(nodes, ({ lagS }) => lagS),
  lagEntries: ({ nodes }: ClusterPicture) => worst(nodes, ({ lagEntries }) => lagEntries),
  // Every item is at a master, once.
  items: ({ nodes }: ClusterPicture) => sum(nodes, ({ role, items }) => (role === "master" ? items : null)),
  memory: ({ nodes }: ClusterPicture) => sum(nodes, ({ bytes }) => bytes),
  disk: ({ nodes }: ClusterPicture) => sum(nodes, ({ diskBytes }) => diskBytes),
  connections: ({ nodes }: ClusterPicture) => sum(nodes, ({ connections }) => connections),
} as const;

type Field = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Field[];

/** A step; a figure that no node gave is null. */
export type HistoryPoint = { readonly atMs: number } & { readonly [Name in Field]: number | null };

export class History {
  /** By place: the number of the step that is there, and its figures, NaN = not known. */
  readonly #steps = new Float64Array(STEPS_MAX).fill(-1);
  readonly #figures = new Float64Array(STEPS_MAX * NAMES.length);

  /** Keeps a picture as its step; of several in a step the last one stays. */
  add(picture: ClusterPicture): void {
    const step = Math.floor(picture.atMs / STEP_MS);
    const place = step % STEPS_MAX;
    this.#steps[place] = step;
    NAMES.forEach((name, at) => {
      this.#figures[place * NAMES.length + at] = FIELDS[name](picture) ?? Number.NaN;
    });
  }

  /** The steps up to now, oldest first, from the first one that is kept; of a step without a picture all figures are null. */
  points(nowMs: number): HistoryPoint[] {
    const newest = Math.floor(nowMs / STEP_MS);
    const points: HistoryPoint[] = [];
    for (let step = newest - STEPS_MAX + 1; step <= newest; step++) {
      const place = step % STEPS_MAX;
      const isKept = step >= 0 && this.#steps[place] === step;
      if (!isKept && points.length === 0) continue;
      // The one that runs may have no picture yet.
      if (!isKept && step === newest) continue;
      const figures = NAMES.map((name, at) => [name, isKept ? known(this.#figures[place * NAMES.length + at]) : null]);
      points.push({ atMs: step * STEP_MS, ...Object.fromEntries(figures) });
    }
    return points;
  }
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** The sum of what is known; null if nothing is. */
function sum(nodes: readonly PictureNode[], figure: (node: PictureNode) => number | null): number | null {
  return nodes.reduce<number | null>((total, node) => {
    const value = figure(node);
    return value === null ? total : (total ?? 0) + value;
  }, null);
}

/** The largest of what is known; null if nothing is. */
function worst(nodes: readonly PictureNode[], figure: (node: PictureNode) => number | null): number | null {
  return nodes.reduce<number | null>((largest, node) => {
    const value = figure(node);
    return value === null ? largest : Math.max(largest ?? value, value);
  }, null);
}
