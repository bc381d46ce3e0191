/**
 * scan and delete_prefix: any node answers for the whole cluster, one page at a time, and keeps no state in between. Deletions
 * are ordinary writes: at the master of each key, with a version, a tombstone and replication.
 */

import { base64 } from "../../base/base64.ts";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import { INT32_MAX } from "../../base/number_bounds.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { BufferPool } from "../../protocol/buffer_pool.ts";
import { CommandTable } from "../../protocol/command.ts";
import { ReplySegment } from "../../protocol/reply_segment.ts";
import { Request } from "../../protocol/request.ts";
import { encodeCursor, scanNumber } from "../../protocol/scan/scan_cursor.ts";
import { putScanPage, type ScannedItem } from "../../protocol/scan/scan_page.ts";
import { parseDeletePrefix, parseScan, type ScanRequest } from "../../protocol/scan/scan_request.ts";
import { PROXY_ERROR } from "../../protocol/text/refusal_lines.ts";
import { faultLine, serverErrorLine, serverErrorText } from "../../protocol/text/server_error.ts";
import { TextParser } from "../../protocol/text/text_parser.ts";
import { TextReply } from "../../protocol/text/text_reply.ts";
import type { NodeComponents } from "../node_components.ts";
import { type ClusterScan, PAGE_BYTES_MAX } from "../scan/cluster_scan.ts";
import type { OwnPart } from "../scan/own_part.ts";
import type { MetaCommands } from "./meta_commands.ts";

/** Deletions in flight at a time; other requests run between two such groups. */
const GROUP_KEYS = 64;
const DELETION = new CommandTable(["md"]);

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "handover" | "options" | "partitionFlush" | "replicator" | "runtime">;

export class ScanCommands {
  readonly #parts: Parts;
  readonly #scan: ClusterScan;
  readonly #ownPart: OwnPart;
  readonly #meta: MetaCommands;

  constructor(parts: Parts, scan: ClusterScan, ownPart: OwnPart, meta: MetaCommands) {
    this.#parts = parts;
    this.#scan = scan;
    this.#ownPart = ownPart;
    this.#meta = meta;
  }

  /** `scan <limit> [<flag>…]`: scans the whole cluster for a client, this node's part for another node. */
  scan(request: Request, reply: TextReply): void | Promise<void> {
    const asked = parseScan(request.words, request.prefix !== undefined);
    return typeof asked === "string" ? reply.line(asked) : this.#answer(asked, reply);
  }

  async #answer(asked: ScanRequest, reply: TextReply): Promise<void> {
    const { limit, prefix, values, part, cursor } = asked;
    const scan = cursor?.scan ?? this.newScan();
    const after = cursor?.after ?? EMPTY_BYTES;
    try {
      const page =
        part === undefined
          ? await this.#scan.page({ scan, prefix, after, limit, values, ofMasters: false })
          : await this.#ownPart.read({ ...part, scan, prefix, after, limit, values, bytesMax: PAGE_BYTES_MAX });
      putScanPage(reply.segment, page, scan, { base64: asked.base64, values, complete: part !== undefined });
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  /** The id of a new scan. */
  newScan(): string {
    const { random } = this.#parts.runtime;
    return scanNumber(random.uint32(), random.uint32());
  }

  /** `delete_prefix <limit> p<prefix> [<flag>…]`: one page of a scan, deleted. */
  deletePrefix(words: readonly string[], reply: TextReply, session: ClientSession): void | Promise<void> {
    const asked = parseDeletePrefix(words);
    return typeof asked === "string" ? reply.line(asked) : this.#delete(asked, reply, session);
  }

  async #delete({ limit, prefix, cursor }: ScanRequest, reply: TextReply, session: ClientSession): Promise<void> {
    const scan = cursor?.scan ?? this.newScan();
    const after = cursor?.after ?? EMPTY_BYTES;
    let deleted = 0;
    try {
      const page = await this.#scan.page({ scan, prefix, after, limit, values: false, ofMasters: true });
      for (let from = 0; from < page.items.length && !session.gone; from += GROUP_KEYS) {
        const { count, refusal } = await this.#deleteGroup(page.items.slice(from, from + GROUP_KEYS));
        deleted += count;
        if (refusal === undefined) continue;
        const doubt = refusal === PROXY_ERROR ? "in doubt: " : "";
        return reply.line(serverErrorLine(`${doubt}${deleted} deleted, then ${serverErrorText(refusal)}`));
      }
      if (page.lastKey === undefined) reply.line(`DELETED ${deleted}`);
      else reply.line(`MORE ${deleted} ${encodeCursor({ scan, after: page.lastKey })}`);
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  /** Deletes some keys in parallel; `refusal` is the first error answer. */
  async #deleteGroup(items: readonly ScannedItem[]): Promise<{ count: number; refusal: string | undefined }> {
    const { handover, partitionFlush } = this.#parts;
    // A leaving master starts nothing that it could not finish.
    if (handover.holding) await handover.over;
    if (partitionFlush.holding) await partitionFlush.over;
    let count = 0;
    let refusal: string | undefined;
    await handover.track(
      this.#deleteAll(items).then((answers) => {
        count = answers.filter((answer) => answer === "HD").length;
        refusal = answers.find((answer) => answer !== "HD" && answer !== "NF");
      }),
    );
    return { count, refusal };
  }

  async #deleteAll(items: readonly ScannedItem[]): Promise<string[]> {
    const buffers = new BufferPool();
    const parser = new TextParser(
      { lineBytesMax: INT32_MAX, keyBytesMax: this.#parts.options.keyBytesMax, valueBytesMax: 0 },
      DELETION,
    );
    const deletions = items.map(({ key }) => {
      const segment = new ReplySegment(buffers);
      const request = new Request();
      const line = fromLatin1(`md ${base64(key)} b\r\n`);
      parser.parse(request, line, 0, line.length, 0);
      return { segment, waiting: this.#meta.write(request, new TextReply(segment)) };
    });
    const waitsForReplicas = deletions.some(({ segment }) => segment.waitsForReplicas);
    const fault = await new Promise<FlareError | undefined>((resolve) => {
      this.#parts.replicator.onCommit({ onCommitted: resolve }, waitsForReplicas);
    });
    const answers: string[] = [];
    for (const { segment, waiting } of deletions) {
      const isHere = segment.hasUncommitted;
      await waiting;
      const line = latin1(segment.bytes, 0, segment.length).trimEnd();
      answers.push(isHere && fault !== undefined ? faultLine(fault) : line);
      segment.reset();
    }
    return answers;
  }
}
