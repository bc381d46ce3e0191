/** A test's interface to a cluster that fails on purpose. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** What `check` may find, by name. */
export type FindingName =
  /** A read or a refusal shows a write that has no answer yet, and a later one does not. */
  | "earlyRead"
  /** A read or a refusal does not know what was acknowledged before it, but what is stored is right. */
  | "staleRead"
  /** An acknowledged write has not happened. */
  | "lostWrite"
  /** A write has happened twice. */
  | "appliedTwice"
  /** The versions of a key start over after a deletion. */
  | "forgottenDeletion"
  /** A read shows what nobody ever wrote. */
  | "wrongValue"
  /** Anything else, or several of these at once. */
  | "notLinearizable"
  /** One version of the node map is two maps, a map goes back, or a partition has two masters. */
  | "mapConflict"
  /** Replicas still differ when they had the time to become equal. */
  | "differ"
  /** Something is still not served when it had the time to recover. */
  | "unserved";

/** Kinds of faults that `storm` picks from. */
export type StormFault =
  | "kill"
  | "stop"
  | "power"
  | "pause"
  | "cut"
  | "isolate"
  | "indexCut"
  | "clog"
  | "loss"
  | "reset"
  | "flaky"
  | "halfOpen"
  | "slowDisk"
  | "fullDisk"
  | "failingAppend"
  | "failingSync"
  | "failingRead"
  | "clock"
  | "drift"
  /** These four only with several index servers. */
  | "leaderKill"
  | "leaderPause"
  | "leaderCut"
  | "mapService";

/** How a disk fails. */
export interface DiskFault {
  /** Every access takes this much longer, in milliseconds. */
  readonly slowMs?: number;
  /** It has room for this many bytes more. */
  readonly freeBytes?: number;
  /** How likely an append to a file is to fail with EIO, 0 … 1. */
  readonly append?: number;
  /** The same for a sync. */
  readonly sync?: number;
  /** The same for a read. */
  readonly read?: number;
}

/** How the service fails that several index servers share; what is not given is in order. */
export interface MapServiceFault {
  /** It answers nobody. */
  readonly away?: boolean;
  /** Each request takes up to this much longer, in milliseconds, and its answer, too; after 2000 nobody waits for it. */
  readonly slowMs?: number;
  /** How likely an answer to something that was done is to get lost, 0 … 1. */
  readonly lostAnswers?: number;
}

/** What `storm` does. */
export interface StormOptions {
  /** Default 10000. */
  readonly durationMs?: number;
  /** Default: all that the cluster has something for. */
  readonly kinds?: readonly StormFault[];
  /** The longest pause between two of them, in milliseconds; default 2000. */
  readonly pauseMsMax?: number;
}

/**
 * What can go wrong with a cluster's machines, which are called by their names (`cluster.nodes`, `cluster.indexServers`,
 * `cluster.mapService`, the name of a client). A fault stays until it is taken back, or until `heal`.
 */
export interface ClusterFaults {
  /** What went wrong so far, with its time. */
  readonly list: readonly string[];
  /** `kill -9` of the machine's server: what it wrote to its files is there. */
  kill(machine: string): void;
  /** The power is gone: what was not synced may be lost, and nobody is notified. */
  cutPower(machine: string): void;
  /** The server stops as after SIGTERM. */
  stop(machine: string): Promise<void>;
  /** Starts the server again. */
  start(machine: string): void;
  /** The machine's process stands still; what it misses comes when it goes on. */
  pause(machine: string): void;
  /** It goes on. */
  resume(machine: string): void;
  /** No packets between two machines; with `oneWay` none from the first one to the second one. */
  cut(from: string, to: string, oneWay?: boolean): void;
  /** Ends a cut, in both directions. */
  mend(from: string, to: string): void;
  /** No packets to and from a machine. */
  isolate(machine: string): void;
  /** Packets from one machine to another come later; 0 = no more. */
  slow(from: string, to: string, delayMs: number): void;
  /** A part of the packets from one machine to another gets lost, 0 … 1: what they carry stalls for up to 25 s. */
  lose(from: string, to: string, part: number): void;
  /** All connections between two machines break. */
  reset(one: string, other: string): void;
  /** A slow, full or failing disk; what is not given is in order. */
  disk(machine: string, fault: DiskFault): void;
  /** What several index servers share is away, slow, or loses answers. @throws FlareError INVALID_OPTION if there is one */
  mapService(fault: MapServiceFault): void;
  /** The wall clock is off by `offMs` milliseconds, and all clocks run at this rate (1 = right). */
  clock(machine: string, offMs: number, rate?: number): void;
  /** Random faults, several at a time, by the seed; resolves when they are over and every server was started again. */
  storm(options?: StormOptions): Promise<void>;
  /** Ends every fault, and starts what does not run. */
  heal(): void;
}

/** An item with its version. */
export interface VersionedItem {
  /** Its value. */
  readonly value: string;
  /** Its version, for `cas`. */
  readonly version: string;
}

/**
 * A client whose requests and answers are recorded for `check`. Keys have no blanks, values are text in Latin-1. A request
 * without an answer throws a `FlareError`: a write with the code `IN_DOUBT` may have happened, any other one has not.
 */
export interface RecordingClient extends Disposable {
  /** The machine that it runs on. */
  readonly machine: string;
  /** The value of an item; undefined = there is none. */
  get(key: string): Promise<string | undefined>;
  /** The same with its version. */
  gets(key: string): Promise<VersionedItem | undefined>;
  /** Stores an item. */
  set(key: string, value: string): Promise<"STORED">;
  /** Stores an item if there is none. */
  add(key: string, value: string): Promise<"STORED" | "NOT_STORED">;
  /** Stores an item if there is one. */
  replace(key: string, value: string): Promise<"STORED" | "NOT_STORED">;
  /** Adds to the end of a value. */
  append(key: string, value: string): Promise<"STORED" | "NOT_STORED">;
  /** Adds to the beginning of a value. */
  prepend(key: string, value: string): Promise<"STORED" | "NOT_STORED">;
  /** Stores an item if it still has a version. @param version of `gets` */
  cas(key: string, value: string, version: string): Promise<"STORED" | "EXISTS" | "NOT_FOUND">;
  /** Adds to a number, which it returns; undefined = there is no item. @throws FlareError REFUSED if it is not a number */
  incr(key: string, delta?: number): Promise<number | undefined>;
  /** Subtracts from a number, not below 0. */
  decr(key: string, delta?: number): Promise<number | undefined>;
  /** Removes an item. */
  delete(key: string): Promise<"DELETED" | "NOT_FOUND">;
  /** Closes its connection. */
  close(): void;
}

/** Where a client connects, and how long it waits. */
export interface RecordingClientOptions {
  /** The node it talks to; default: one after the other, another one after each failure. */
  readonly node?: string;
  /** Default 8000. */
  readonly timeoutMs?: number;
}

/** How much `startLoad` does. */
export interface LoadOptions {
  /** Default 4. */
  readonly clients?: number;
  /** Keys in use at a time, each replaced by a new one after a while; default 8. */
  readonly keys?: number;
}

/** Random clients at work. */
export interface ClusterLoad {
  /** Resolves when every client has its last answer. */
  stop(): Promise<void>;
}

/** What `check` takes. */
export interface CheckOptions {
  /** How long the cluster may take to be whole again, in milliseconds; default 60000. */
  readonly recoveryMs?: number;
  /** Findings that do not matter here: asynchronous replication may lose writes, and show them early and late. */
  readonly allowed?: readonly FindingName[];
}

/** What `check` has seen. */
export interface CheckReport {
  /** Requests, with those of the check itself. */
  readonly operations: number;
  /** Different keys in them. */
  readonly keys: number;
  /** Operations without a clear answer: they may have happened or not. */
  readonly unknown: number;
  /** Keys whose history would take too long to judge. */
  readonly undecided: number;
  /** The allowed ones. */
  readonly findings: readonly { readonly name: FindingName; readonly explanation: string }[];
}

/**
 * A cluster on simulated machines in this process, with virtual time: it passes only while something of this object is
 * awaited, and everything that happens depends on the seed alone.
 */
export interface FailingCluster extends AsyncDisposable {
  /** What decides everything. */
  readonly seed: string;
  /** The names of the machines with a node. */
  readonly nodes: readonly string[];
  /** The name of the machine with the index server, the first one of several. */
  readonly index: string;
  /** The names of the machines with an index server. */
  readonly indexServers: readonly string[];
  /** The name of the machine that has the map of several index servers; undefined with one. */
  readonly mapService: string | undefined;
  /** What can go wrong. */
  readonly faults: ClusterFaults;
  /** Virtual milliseconds since the beginning. */
  readonly nowMs: number;
  /** Of everything that has happened: two runs of one seed have the same. */
  readonly hash: string;
  /** The machine with the index server that leads; undefined = none does. */
  leader(): string | undefined;
  /** The machine with the master of a partition, by the index server's map; undefined = there is none. */
  master(partition?: number): string | undefined;
  /** The machines with its slaves. */
  slaves(partition?: number): readonly string[];
  /** Where clients of a node connect, on machines of this cluster. */
  address(node: string): HostPort;
  /** A client on a machine of its own. */
  client(options?: RecordingClientOptions): RecordingClient;
  /** Clients that work on keys of their own with all commands, at random by the seed; `check` judges them, too. */
  startLoad(options?: LoadOptions): ClusterLoad;
  /** A new process on the machine `name`, for code of your own: the `runtime` option of `Client` and other entry points. */
  runtime(name: string): Runtime;
  /** Lets time pass until what `work` returns has settled: for code that uses `runtime`. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Lets time pass. */
  sleep(delayMs: number): Promise<void>;
  /** Resolves when all partitions have their masters and slaves. @throws FlareError TIMED_OUT after `limitMs`, default 60000 */
  settled(limitMs?: number): Promise<void>;
  /**
   * Ends all faults, waits until the cluster is whole, reads every key that was used through every node, compares the replicas
   * and judges the history of each key: it must be linearizable.
   * @throws Error that explains everything that was found, with the faults and the seed
   */
  check(options?: CheckOptions): Promise<CheckReport>;
  /** The end: no machine does anything any more. */
  [Symbol.asyncDispose](): Promise<void>;
}
