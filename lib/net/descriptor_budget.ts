/**
 * How many connections a server may take so that descriptors are left for what must never lack one: the storage, other nodes,
 * and the clients that are told that there are too many. Pure.
 */

/** Kept for the runtime, the storage (LevelDB maps its tables and keeps none of them open) and about thirty other nodes. */
const RESERVE = 128;

/** What the process may have open is enough for so many connections to each of `servers` servers in it. */
export function connectionsThatFit(descriptorsMax: number, servers: number): number {
  const share = Math.floor(descriptorsMax / servers);
  return Math.max(1, share - Math.min(RESERVE, Math.ceil(share / 2)));
}
