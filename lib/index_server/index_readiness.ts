/**
 * When an index server is ready: while it reaches the stored node map, and leads the cluster or knows who does, to whom it
 * passes changes on. Pure.
 */

import { formatHostPort } from "../base/host_port.ts";
import { notReady, type Readiness, ready } from "../net/http/health.ts";
import type { Leadership } from "./index_replies.ts";

/** @param nodes in the current map */
export function indexReadiness(leadership: Leadership, nodes: number): Readiness {
  const { term, replacedBy, failingSeconds, isLeading, leader, mark } = leadership;
  if (failingSeconds > 0) return notReady(`the stored node map has been out of reach for ${failingSeconds} s`);
  if (mark !== undefined) return notReady(`the node map is ${mark.kind} "${mark.place}"`);
  if (isLeading) return ready(`it leads with term ${term}, ${nodes} nodes in use`);
  if (replacedBy > 0) return notReady(`an index server with term ${replacedBy} leads instead of this one with term ${term}`);
  if (leader === undefined) return notReady("it does not know which index server leads");
  const { host, port } = leader.address;
  return ready(`"${formatHostPort(host, port)}" leads with term ${term}, ${nodes} nodes in use`);
}
