/** The answer to a part of a long multi-get, except the last one: it has no `END`. */

import type { ReplySegment } from "../reply_segment.ts";
import type { MultiGet } from "./multi_get.ts";
import { TextReply } from "./text_reply.ts";

export class PartReply extends TextReply {
  readonly #multiGet: MultiGet;

  constructor(segment: ReplySegment, multiGet: MultiGet) {
    super(segment);
    this.#multiGet = multiGet;
  }

  override end(): void {}

  override line(text: string): void {
    this.#multiGet.hasFailed = true;
    super.line(text);
  }
}
