/**
 * What the servers say of the cluster, in the shapes of `/api`. A figure that is not known is null, never 0: whoever shows
 * one has to say what null looks like.
 */

export type Role = "master" | "slave" | "proxy";
export type State = "active" | "ready" | "prepare" | "down";

/** A copy that a node makes of another one. */
export interface Copy {
  readonly phase: string;
  readonly done: number | null;
  readonly total: number | null;
  /** Seconds that are left. */
  readonly etaS: number | null;
}

/** Operations per second. */
export interface Rates {
  readonly get: number | null;
  readonly set: number | null;
  readonly hits: number | null;
  readonly misses: number | null;
}

/** Of the last seconds, in milliseconds. */
export interface Latency {
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface Node {
  /** `host:port`. */
  readonly key: string;
  readonly role: Role;
  readonly state: State;
  readonly partition: number | null;
  readonly balance: number | null;
  readonly inSync: boolean | null;
  /** Why it is not in sync. */
  readonly whyNot: string | null;
  readonly epoch: number | string | null;
  readonly version: string | null;
  readonly uptimeS: number | null;
  readonly items: number | null;
  /** In memory. */
  readonly bytes: number | null;
  readonly diskBytes: number | null;
  readonly connections: number | null;
  readonly lagEntries: number | null;
  readonly lagBytes: number | null;
  readonly lagS: number | null;
  readonly copy: Copy | null;
  readonly rates: Rates | null;
  readonly latencyMs: Latency | null;
  /** Why figures are missing. */
  readonly error: string | null;
}

export interface Cluster {
  readonly self: { readonly kind: "index" | "node"; readonly address: string; readonly version: string };
  readonly atMs: number;
  readonly mapVersion: number | string | null;
  readonly leader: string | null;
  readonly changesAllowed: boolean;
  readonly partitions: number | null;
  readonly unreachable: readonly Unreachable[];
  readonly nodes: readonly Node[];
}

/** Something that happened, from the event log. */
export interface Happened {
  readonly id: number | string;
  readonly atMs: number;
  readonly text: string;
  readonly kind: string;
  readonly node: string | null;
}

/** The sums, or the worst, over all nodes at one time. */
export interface HistoryPoint {
  readonly atMs: number;
  readonly get: number | null;
  readonly set: number | null;
  readonly hits: number | null;
  readonly misses: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly lagS: number | null;
  readonly lagEntries: number | null;
  readonly items: number | null;
  readonly memory: number | null;
  readonly disk: number | null;
  readonly connections: number | null;
}

/** A server that has not answered. */
export interface Unreachable {
  readonly server: string;
  readonly error: string;
}

export interface Item {
  readonly found: boolean;
  readonly key64?: string;
  readonly value64?: string;
  readonly flags?: number;
  readonly bytes?: number;
  /** Seconds that are left; negative: it does not expire. */
  readonly ttl?: number | null;
  readonly version?: number | string | null;
}

export interface ScanPage {
  readonly keys: readonly { readonly key64: string; readonly bytes: number | null }[];
  /** Where the next page begins; null at the end. */
  readonly cursor: string | null;
}

export interface SlowRequest {
  readonly atMs: number;
  readonly node: string;
  readonly client: string;
  readonly command: string;
  /** Requests that came together with it, itself included. */
  readonly requests: number;
  /** Null if it is one of several requests. */
  readonly key64: string | null;
  /** The length of the whole key: `key64` has its first 250 bytes. */
  readonly keyBytes: number | null;
  readonly ms: number;
  readonly bytes: number | null;
  /** A word, or the node it was passed on to; null: it did not wait. */
  readonly waitedFor: string | null;
}

export interface SlowRequests {
  /** 0: none is slow; null: the nodes differ, or none answers. */
  readonly thresholdMs: number | null;
  /** How many there have been. */
  readonly count: number;
  /** The newest first. */
  readonly entries: readonly SlowRequest[];
  readonly unreachable: readonly Unreachable[];
}

export interface HotKey {
  readonly key64: string;
  readonly keyBytes: number;
  /** Of all keys in requests, 0 … 1, and between which bounds it most likely is. */
  readonly share: number;
  readonly shareMin: number;
  readonly shareMax: number;
  readonly perSecond: number;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** Most often first. */
  readonly nodes: readonly { readonly node: string; readonly perSecond: number }[];
}

export interface HotKeys {
  /** How many keys were looked at. */
  readonly sampled: number;
  /** Keys per second, all together. */
  readonly perSecond: number;
  /** The hottest first. */
  readonly keys: readonly HotKey[];
  readonly unreachable: readonly Unreachable[];
}
