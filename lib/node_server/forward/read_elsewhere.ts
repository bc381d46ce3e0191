/**
 * Reads of keys that lie on other nodes: any replica can answer, so they are asked one after the other, and again by the
 * newest map. A miss is only ever said by a node that has the key's partition: when none answers, the read fails.
 */

import { sleep } from "../../base/sleep.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route } from "../../cluster/routing.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import type { NodeContext } from "../node_context.ts";
import { FORWARD_ATTEMPTS, FORWARD_PAUSE_MS, NO_PARTITION_TEXT, PROXY_FAILURE_TEXT } from "./refusals.ts";

/** An answer of another node, the line of an error it answered instead of an item, or undefined when it did not answer. */
export type Answer<T> = { readonly value: T } | { readonly error: string } | undefined;

/** What came of a read: an answer, the line that says why there is none, or that the key can be read here. */
export type Reading<T> = { readonly value: T } | { readonly error: string } | typeof LOCAL;

/**
 * Asks for the key with this hash.
 * @param ask asks one node; a PeerError counts as no answer
 */
export async function readElsewhere<T>(
  context: NodeContext,
  hash: number,
  ask: (node: ClusterNode) => Promise<Answer<T>>,
): Promise<Reading<T>> {
  const { runtime } = context;
  for (let attempt = 1; ; attempt++) {
    const failed: string[] = [];
    let error = PROXY_FAILURE_TEXT;
    let isSilent = false;
    let route = firstRoute(context, hash);
    while (typeof route === "object") {
      const answer = await askOne(context, route, ask);
      if (answer !== undefined && "value" in answer) return answer;
      if (answer === undefined) isSilent = true;
      else error = answer.error;
      failed.push(route.key);
      route = nextRoute(context, hash, failed);
    }
    if (route === LOCAL) return LOCAL;
    if (route === NO_PARTITION) return { error: NO_PARTITION_TEXT };
    // Where somebody did not answer, the map may soon name another.
    if (!isSilent || attempt === FORWARD_ATTEMPTS) return { error };
    await sleep(runtime.clock, FORWARD_PAUSE_MS);
  }
}

async function askOne<T>(
  { runtime }: NodeContext,
  node: ClusterNode,
  ask: (node: ClusterNode) => Promise<Answer<T>>,
): Promise<Answer<T>> {
  try {
    const answer = await ask(node);
    if (answer !== undefined && "error" in answer) {
      runtime.log.write("info", `"${node.key}" answered "${answer.error}" to a read`);
    }
    return answer;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    runtime.log.write("info", `read from "${node.key}" failed: ${error.message}`);
    return undefined;
  }
}

function firstRoute({ routing, otherCluster, runtime }: NodeContext, hash: number): Route {
  return otherCluster.node ?? routing.routeRead(hash, runtime.random.uint32());
}

function nextRoute({ routing, otherCluster }: NodeContext, hash: number, failed: readonly string[]): Route {
  return otherCluster.node === undefined ? routing.routeReadAgain(hash, failed) : PROXY_FAILURE;
}
