/**
 * Pages of a scan over the whole cluster: asks one replica of every partition for its next keys and merges the answers. No
 * state is kept between two pages. If no node of a partition answers, the page fails: a list is complete or an error, never
 * partial.
 */

import { MIB } from "../../base/byte_units.ts";
import { compareBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, PROXY_FAILURE, type Route } from "../../cluster/routing.ts";
import { parseScanPage, type ScanPage } from "../../protocol/scan/scan_page.ts";
import { encodeScan } from "../../protocol/scan/scan_request.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import type { NodeComponents } from "../node_components.ts";
import type { OwnPart } from "./own_part.ts";
import { mergePages, shareOf } from "./scan_merge.ts";
import { Turnstile } from "./turnstile.ts";

/** A page of the whole cluster. */
export interface PageQuery {
  /** The id of the scan. */
  readonly scan: string;
  readonly prefix: Uint8Array;
  /** Empty = from the start. */
  readonly after: Uint8Array;
  readonly limit: number;
  readonly values: boolean;
  /** Ask only masters, which have every acknowledged write. */
  readonly ofMasters: boolean;
}

/** Size limit of a page, except for its last item; each partition is asked for its share. */
export const PAGE_BYTES_MAX = MIB;
/** Most pages assembled at a time; others wait. */
const PAGES_MAX = 8;
/** How long a page is retried while maps differ or nodes fail … */
const PATIENCE_MS = 3000;
/** … with this pause. */
const PAUSE_MS = 100;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "otherCluster" | "routing" | "runtime" | "scanPeers" | "selfKey">;

export class ClusterScan {
  readonly #parts: Parts;
  readonly #ownPart: OwnPart;
  readonly #turnstile = new Turnstile(PAGES_MAX);

  constructor(parts: Parts, ownPart: OwnPart) {
    this.#parts = parts;
    this.#ownPart = ownPart;
  }

  /** The next page. @throws FlareError naming the partition or node that cannot answer */
  page(query: PageQuery): Promise<ScanPage> {
    return this.#turnstile.pass(() => this.#patiently(query));
  }

  async #patiently(query: PageQuery): Promise<ScanPage> {
    const { clock } = this.#parts.runtime;
    const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.#page(query);
      } catch (error) {
        if (!(error instanceof FlareError) || !error.retriable || clock.monotonicMs() >= deadlineMs) throw error;
      }
      await sleep(clock, PAUSE_MS);
    }
  }

  async #page(query: PageQuery): Promise<ScanPage> {
    const { routing, otherCluster } = this.#parts;
    if (otherCluster.node !== undefined) return this.#ask(otherCluster.node, query, undefined, query.limit);
    const { active } = routing.partitionMap;
    if (active.length === 0) throw new FlareError("REFUSED", "no partition available", { retriable: true });
    const parts = await Promise.all(active.map(({ index }) => this.#part(query, index, active.length)));
    return parts.length === 1 ? (parts[0] as ScanPage) : mergePages(parts, query.limit, PAGE_BYTES_MAX);
  }

  /** One partition's part, from any of its nodes. */
  async #part(query: PageQuery, partition: number, count: number): Promise<ScanPage> {
    const limit = shareOf(query.limit, count);
    const failed: string[] = [];
    let fault: FlareError | undefined;
    for (;;) {
      const route = this.#route(query, partition, failed);
      if (route === LOCAL) return this.#ownPart.read({ ...query, partition, count, limit, bytesMax: partBytes(count) });
      if (typeof route !== "object") break;
      try {
        return await this.#ask(route, query, { partition, count }, limit);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        this.#parts.runtime.log.write("info", `page of a scan: ${error.message}`);
        fault = error;
        failed.push(route.key);
      }
    }
    const reason = fault === undefined ? "none of its nodes is up" : fault.message;
    throw new FlareError("REFUSED", `partition ${partition} cannot be scanned: ${reason}`, {
      retriable: fault?.retriable ?? true,
      cause: fault,
    });
  }

  #route({ ofMasters }: PageQuery, partition: number, failed: readonly string[]): Route {
    const { routing, runtime, selfKey } = this.#parts;
    if (!ofMasters) return routing.routePart(partition, runtime.random.uint32(), failed);
    const master = routing.partitionMap.active[partition]?.master;
    if (master?.key === selfKey) return LOCAL;
    return master === undefined || failed.includes(master.key) ? PROXY_FAILURE : master;
  }

  /** @param part undefined: asks a node of another cluster for its whole cluster */
  async #ask(
    node: ClusterNode,
    query: PageQuery,
    part: { readonly partition: number; readonly count: number } | undefined,
    limit: number,
  ): Promise<ScanPage> {
    const { scanPeers, selfKey } = this.#parts;
    const { scan, prefix, after, values } = query;
    const line = encodeScan({ limit, prefix, cursor: { scan, after }, values, part }, part === undefined ? "" : `<${selfKey}>`);
    const answer = await scanPeers.lane(node, EMPTY_BYTES, 0, 0).request(line, ReplyShape.scan);
    const page = parseScanPage(answer);
    if (page === undefined) throw refusal(node, answer);
    // A scan that makes no progress would never end.
    if (page.lastKey !== undefined && compareBytes(page.lastKey, after) <= 0) throw malformed(node);
    return page;
  }
}

function partBytes(count: number): number {
  return shareOf(PAGE_BYTES_MAX, count);
}

function refusal(node: ClusterNode, { line, body }: ClientReply): FlareError {
  if (line === "ERROR") return new FlareError("UNSUPPORTED", `node "${node.key}" does not know scans`);
  if (body.length > 0 || !/^(SERVER|CLIENT)_ERROR /.test(line)) return malformed(node);
  return new FlareError("REFUSED", `node "${node.key}" answered "${line}"`, { retriable: line.startsWith("SERVER_ERROR") });
}

function malformed(node: ClusterNode): FlareError {
  return new FlareError("CORRUPT", `node "${node.key}" sent a malformed page`);
}
