/**
 * How long a master and its slaves vouch for each other, as parts of `replication-timeout`. A slave that takes over waits until
 * its former master's lease has certainly ended, and a master waits for the end of a lost slave's lease before it goes on
 * without it: by clocks that run up to half as fast again as the other's.
 */

export interface LeaseTimes {
  /** How long a master may answer for its partition after it has sent a beacon that the slave has acknowledged. */
  readonly masterMs: number;
  /** How long a slave may answer reads after it has received such a beacon. */
  readonly slaveMs: number;
  /** Between two beacons. */
  readonly intervalMs: number;
}

/** The times for a `replication-timeout`, all of them shorter: a silent slave is out before anything else ends. */
export function leaseTimes(replicationTimeoutMs: number): LeaseTimes {
  return {
    masterMs: Math.ceil(replicationTimeoutMs * 0.8),
    slaveMs: Math.ceil(replicationTimeoutMs * 0.6),
    intervalMs: Math.ceil(replicationTimeoutMs / 10),
  };
}

/** How long others wait for the end of a lease of this length. */
export function leaseEnds(leaseMs: number): number {
  return Math.ceil(leaseMs * 1.5);
}
