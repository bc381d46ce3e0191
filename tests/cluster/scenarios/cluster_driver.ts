/**
 * What a scenario can do to a cluster, whatever the cluster runs in: start, stop, kill and restart its servers. Roles
 * are given by an operator (`operator.ts`) through the index server's commands, as anywhere.
 */

import type { Runtime } from "../../../lib/runtime/runtime.ts";

/** Where a server listens. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** How often the index server looks after the nodes, in seconds. */
export const MONITOR_INTERVAL_S = 1;
/** Failed pings in a row after which a node is down. */
export const MONITOR_THRESHOLD = 2;
/** How long old owners keep keys that moved, in seconds. */
export const MOVED_KEYS_DELAY_S = 1;

/** A cluster of one index server and nodes that keep their addresses whatever happens to them. */
export interface ClusterDriver {
  /** For the clients of the test. */
  readonly runtime: Runtime;
  readonly index: HostPort;
  /** Clients that make about 2,000 requests a second of it together. */
  readonly workers: number;
  /** All nodes ever started, in the order of their start. */
  readonly nodes: readonly HostPort[];
  /** Starts a new node; it is a proxy of the cluster when the promise resolves. */
  addNode(): Promise<HostPort>;
  /** Ends a node as a service manager does, and waits for its end. */
  stopNode(node: HostPort): Promise<void>;
  /** Ends a node from one moment to the next. */
  killNode(node: HostPort): Promise<void>;
  /** Starts a node that has ended, at its old address. */
  startNode(node: HostPort): Promise<void>;
  /** Ends the index server and starts it again at its old address. */
  restartIndex(): Promise<void>;
  /** Ends everything. */
  clear(): Promise<void>;
}
