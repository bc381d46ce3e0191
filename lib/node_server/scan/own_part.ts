/**
 * This node's own items of one partition, a page at a time, for its own scans and for those of other nodes. It answers only
 * while its map agrees with the requester's about the partition, so that pages from several nodes match while the cluster
 * grows. Knows nothing of the other nodes.
 */

import { FlareError } from "../../base/errors.ts";
import { endOfTurn } from "../../base/sleep.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import type { NodeMap } from "../../cluster/node_map.ts";
import { type ScannedItem, type ScanPage, wireBytes } from "../../protocol/scan/scan_page.ts";
import type { NodeComponents } from "../node_components.ts";
import { Turnstile } from "./turnstile.ts";

/** A page of one partition. */
export interface PartQuery {
  readonly partition: number;
  /** The number of partitions in the requester's map. */
  readonly count: number;
  /** The id of the scan. */
  readonly scan: string;
  readonly prefix: Uint8Array;
  /** Empty = from the start. */
  readonly after: Uint8Array;
  readonly limit: number;
  readonly bytesMax: number;
  readonly values: boolean;
}

/** Keys visited per event loop turn. */
const SLICE_KEYS = 250;
const SLICE_BYTES = 262144;
/** A page with few matches ends after this many slices; the next one continues there. */
const SLICES_MAX = 40;
/** Most pages assembled at a time. */
const PAGES_MAX = 8;
/** Scans remembered; a forgotten one only costs another checkpoint. */
const SCANS_MAX = 1024;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "keyHash" | "routing" | "runtime" | "storage">;

export class OwnPart {
  readonly #parts: Parts;
  readonly #resolver: KeyResolver;
  readonly #turnstile = new Turnstile(PAGES_MAX);
  /** The scans, by id, for which everything older is in the engine; valid only for this map. */
  readonly #prepared = new Map<string, Promise<void>>();
  #map: NodeMap | undefined;

  constructor(parts: Parts, resolver: KeyResolver) {
    this.#parts = parts;
    this.#resolver = resolver;
  }

  /**
   * The next keys of a partition after `after`.
   * @throws FlareError REFUSED, retriable, if the two maps differ | CLOSED | IO_ERROR
   */
  read(query: PartQuery): Promise<ScanPage> {
    return this.#turnstile.pass(() => this.#read(query));
  }

  async #read(query: PartQuery): Promise<ScanPage> {
    const { routing } = this.#parts;
    const map = routing.nodeMap;
    if (routing.partitionMap.active.length !== query.count || !routing.readsPart(query.partition)) throw otherMap();
    await this.#prepare(query.scan, map);
    const page = await this.#walk(query);
    // The data may have been dropped for a copy in the meantime.
    if (routing.nodeMap !== map) throw otherMap();
    return page;
  }

  /**
   * A walk sees what is in the engine, so everything written before a scan is checkpointed once, at its first page here.
   * Another map may mean other data.
   */
  #prepare(scan: string, map: NodeMap): Promise<void> {
    if (this.#map !== map) this.#prepared.clear();
    this.#map = map;
    const known = this.#prepared.get(scan);
    if (known !== undefined) return known;
    for (const oldest of this.#prepared.keys()) {
      if (this.#prepared.size < SCANS_MAX) break;
      this.#prepared.delete(oldest);
    }
    const preparing = this.#parts.storage.checkpoint().catch((error: unknown) => {
      this.#prepared.delete(scan);
      throw error;
    });
    this.#prepared.set(scan, preparing);
    return preparing;
  }

  async #walk(query: PartQuery): Promise<ScanPage> {
    const { prefix, after, limit, bytesMax, values } = query;
    const cursor = this.#parts.storage.openCursor({
      prefix,
      ...(after.length === 0 ? {} : { after }),
      checkpointed: true,
      withoutValues: !values,
    });
    const items: ScannedItem[] = [];
    let bytes = 0;
    let lastKey: Uint8Array | undefined;
    for (let slices = 0; slices < SLICES_MAX && items.length < limit && bytes < bytesMax; slices++) {
      const slice = await cursor.slice(Math.min(limit - items.length, SLICE_KEYS), Math.min(SLICE_BYTES, bytesMax - bytes));
      lastKey = slice.lastKey;
      if (lastKey === undefined) break;
      for (const item of slice.items) {
        if (!this.#belongs(item.key, query)) continue;
        items.push(item);
        bytes += wireBytes(item);
      }
      // Some engines answer at once: yield anyway, so that other requests run in between.
      await endOfTurn(this.#parts.runtime.clock);
    }
    return { items, lastKey };
  }

  /** Keys that have moved to another partition stay here for a while. */
  #belongs(key: Uint8Array, { partition, count }: PartQuery): boolean {
    return count <= 1 || this.#resolver.resolve(this.#parts.keyHash(key, 0, key.length), count) === partition;
  }
}

function otherMap(): FlareError {
  return new FlareError("REFUSED", "the node map is changing", { retriable: true });
}
