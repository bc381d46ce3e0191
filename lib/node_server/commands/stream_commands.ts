/** The replica's answers to its master's replication stream. */

import { FlareError } from "../../base/errors.ts";
import type { Request } from "../../protocol/request.ts";
import {
  againLine,
  type BlockRequest,
  parseBeacon,
  parseBlock,
  parseStream,
  STREAM_OK,
  senderOf,
} from "../../protocol/stream_request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine } from "../../protocol/text/server_error.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { NodeComponents } from "../node_components.ts";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "follower" | "storage">;

export class StreamCommands {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `stream`: the master opens its stream on this connection. */
  open(request: Request, reply: TextReply): void {
    const source = senderOf(request.prefix);
    const stream = parseStream(request.words);
    if (source === undefined || stream === undefined) return reply.line(BAD_LINE);
    try {
      reply.line(this.#parts.follower.open(source, stream));
    } catch (error) {
      reply.line(refusalLine(error));
    }
  }

  /** `beacon`: the master's lease and ours. */
  beacon(request: Request, reply: TextReply): void {
    const source = senderOf(request.prefix);
    const beacon = parseBeacon(request.words);
    if (source === undefined || beacon === undefined) return reply.line(BAD_LINE);
    try {
      this.#parts.follower.beacon(source, beacon);
      reply.line(STREAM_OK);
    } catch (error) {
      reply.line(refusalLine(error));
    }
  }

  /** `block`: records of the master's change log. */
  block(request: Request, reply: TextReply): void | Promise<void> {
    const { follower, storage } = this.#parts;
    const source = senderOf(request.prefix);
    const block = parseBlock(request.words);
    if (source === undefined || block === undefined) return reply.line(BAD_LINE);
    const { value, valueStart, valueEnd } = request.mutation;
    try {
      const waiting = follower.apply(source, block, value.subarray(valueStart, valueEnd));
      if (waiting !== undefined) return this.#answerLater(waiting, block, reply);
    } catch (error) {
      return reply.line(refusalLine(error));
    }
    storage.onCommit({ onCommitted: (error) => void (error !== undefined && follower.rolledBack(block)) });
    const start = reply.segment.length;
    reply.line(STREAM_OK);
    reply.markUncommitted(start);
  }

  async #answerLater(waiting: Promise<void>, block: BlockRequest, reply: TextReply): Promise<void> {
    const { follower, storage } = this.#parts;
    try {
      await waiting;
      const error = await new Promise<FlareError | undefined>((resolve) => storage.onCommit({ onCommitted: resolve }));
      if (error !== undefined) {
        follower.rolledBack(block);
        throw error;
      }
      reply.line(STREAM_OK);
    } catch (error) {
      reply.line(refusalLine(error));
    }
  }
}

/** What the storage refuses it will refuse again; everything else may be accepted later. */
function refusalLine(error: unknown): string {
  const isPassing = error instanceof FlareError && (error.code === "REFUSED" || error.code === "CORRUPT");
  return isPassing ? againLine(error.message) : faultLine(error);
}
