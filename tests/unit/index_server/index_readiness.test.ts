/** When an index server is ready, and what it says when it is not. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { indexReadiness } from "../../../lib/index_server/index_readiness.ts";
import type { Leadership } from "../../../lib/index_server/index_replies.ts";

const LEADS: Leadership = { isLeading: true, leader: undefined, term: 3, replacedBy: 0, failingSeconds: 0, mark: undefined };

function of(leadership: Partial<Leadership>): string {
  const { isReady, reason } = indexReadiness({ ...LEADS, ...leadership }, 4);
  return `${isReady ? "yes" : "no"}: ${reason}`;
}

describe("an index server is ready", () => {
  it("while it leads and reaches the stored node map", () => {
    assertEquals(of({}), "yes: it leads with term 3, 4 nodes in use");
    assertEquals(of({ failingSeconds: 9 }), "no: the stored node map has been out of reach for 9 s");
  });

  it("while it knows who leads", () => {
    const leader = { address: { host: "a", port: 1 }, sinceMs: 5 };
    assertEquals(of({ isLeading: false, leader }), 'yes: "a:1" leads with term 3, 4 nodes in use');
    assertEquals(of({ isLeading: false }), "no: it does not know which index server leads");
    assertEquals(of({ isLeading: false, leader, failingSeconds: 9 }), "no: the stored node map has been out of reach for 9 s");
  });

  it("not once another one has taken over", () => {
    assertEquals(
      of({ isLeading: false, replacedBy: 5 }),
      "no: an index server with term 5 leads instead of this one with term 3",
    );
  });
});
