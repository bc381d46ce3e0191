/**
 * How many connections a server may accept so that enough file descriptors are left for the storage, other nodes, and clients
 * that get the error for too many connections. Pure.
 */

/** Reserved for the runtime, the storage (LevelDB maps its tables and keeps none of them open) and about thirty other nodes. */
const RESERVE = 128;

/** The number of connections each of `servers` servers in this process may accept. */
export function connectionsThatFit(descriptorsMax: number, servers: number): number {
  const share = Math.floor(descriptorsMax / servers);
  return Math.max(1, share - Math.min(RESERVE, Math.ceil(share / 2)));
}
