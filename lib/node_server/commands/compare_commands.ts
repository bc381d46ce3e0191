/**
 * The commands of a comparison of replicas: a replica answers `node digest` of its master, the master answers `node compare` of
 * an operator, one page at a time.
 */

import { digestLine, encodeItemStates, pageLines, parseCompareRequest, parseDigestRequest } from "../../protocol/comparison.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine } from "../../protocol/text/server_error.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { OwnItems } from "../comparison/own_items.ts";
import { ANSWER_SLICES_MAX, type ReplicaComparison } from "../comparison/replica_comparison.ts";

/** How long a page goes on when it finds nothing. */
const PAGE_MS = 500;

export class CompareCommands {
  readonly #own: OwnItems;
  readonly #comparison: ReplicaComparison;

  constructor(own: OwnItems, comparison: ReplicaComparison) {
    this.#own = own;
    this.#comparison = comparison;
  }

  /** `node digest <partition>/<count> range|items <after> <to>` or `… keys <key>…`. */
  async digest(words: readonly string[], reply: TextReply): Promise<void> {
    const asked = parseDigestRequest(words);
    if (asked === undefined) return reply.line(BAD_LINE);
    try {
      switch (asked.of) {
        case "range":
          return reply.line(digestLine(await this.#own.digest(asked, asked, ANSWER_SLICES_MAX)));
        case "items":
          return reply.segment.putText(encodeItemStates(await this.#own.items(asked, asked, ANSWER_SLICES_MAX)));
        case "keys": {
          const items = await this.#own.keys(asked, asked.keys);
          return reply.segment.putText(encodeItemStates({ items, reached: undefined }));
        }
      }
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  /** `node compare <host> <port> <after> [repair]`. */
  async compare(words: readonly string[], reply: TextReply): Promise<void> {
    const asked = parseCompareRequest(words);
    if (asked === undefined) return reply.line(BAD_LINE);
    try {
      const page = await this.#comparison.page(`${asked.host}:${asked.port}`, asked.after, asked.repair, PAGE_MS);
      for (const line of pageLines(page)) reply.line(line);
      reply.end();
    } catch (error) {
      reply.line(faultLine(error));
    }
  }
}
