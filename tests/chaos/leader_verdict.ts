/** What must hold of the stores of a node map whose index servers were killed, by the history that they left. Pure. */

import type { MapRecord } from "../../lib/cluster/map_record.ts";

/**
 * What is wrong with a row of stores: each must be the next map of the same leader, or the same map with the next leader's
 * term. A store of a former leader would be neither.
 */
export function storeFaults(records: readonly MapRecord[]): string[] {
  return records.flatMap((record, i) => {
    const before = records[i - 1];
    if (before === undefined) return [];
    const isNextMap = BigInt(record.version) === BigInt(before.version) + 1n;
    const isOfLeader = isNextMap && record.term === before.term && record.server === before.server;
    const isSameMap = record.version === before.version && record.events.length === 0;
    const isTaken = isSameMap && record.term === before.term + 1;
    return isTaken || isOfLeader ? [] : [`after ${describe(before)} came ${describe(record)}`];
  });
}

/** What is wrong with the nodes: nobody but the killed masters may have gone down, in that order, and each was replaced. */
export function nodeFaults(records: readonly MapRecord[], killed: readonly string[]): string[] {
  const lost = records.flatMap(({ events }) => events.flatMap((event) => /^lost "([^"]+)"/.exec(event)?.[1] ?? []));
  const promotions = records.filter(({ events }) => events.some((event) => event.startsWith("promoted "))).length;
  return [
    ...(lost.join() === killed.join() ? [] : [`nodes that went down: ${lost.join()}; killed: ${killed.join()}`]),
    ...(promotions === killed.length ? [] : [`promotions: ${promotions}; killed masters: ${killed.length}`]),
  ];
}

/** A store in words. */
export function describe({ term, version, server, cause, events }: MapRecord): string {
  return `map ${version} in term ${term} of ${server} (${cause}: ${events.join("; ")})`;
}
