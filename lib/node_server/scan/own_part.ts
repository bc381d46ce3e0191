/**
 * What this node itself has of one partition, a page at a time: for its own scans and for those of other nodes. It answers
 * only while its own map says the same about the partition as whoever asks, so that pages from several nodes fit together
 * while the cluster grows. Knows nothing of the other nodes.
 */

import { FlareError } from "../../base/errors.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import type { NodeMap } from "../../cluster/node_map.ts";
import { type ScannedItem, type ScanPage, wireBytes } from "../../protocol/scan/scan_page.ts";
import type { NodeContext } from "../node_context.ts";
import { Turnstile } from "./turnstile.ts";

/** A page of one partition. */
export interface PartQuery {
  readonly partition: number;
  /** Partitions there are, as the asking node knows. */
  readonly count: number;
  /** The number of the scan. */
  readonly scan: string;
  readonly prefix: Uint8Array;
  /** Empty = from the beginning. */
  readonly after: Uint8Array;
  readonly limit: number;
  readonly bytesMax: number;
  readonly values: boolean;
}

/** Keys looked at between two turns of the loop. */
const SLICE_KEYS = 250;
const SLICE_BYTES = 262144;
/** A page that finds little ends after so many of them: the next one goes on there. */
const SLICES_MAX = 40;
/** Pages put together at the same time. */
const PAGES_MAX = 8;
/** Scans that are remembered; a forgotten one only costs another checkpoint. */
const SCANS_MAX = 1024;

export class OwnPart {
  readonly #context: NodeContext;
  readonly #resolver: KeyResolver;
  readonly #turnstile = new Turnstile(PAGES_MAX);
  /** The scans for which everything older is in the engine, by number; true of this map only. */
  readonly #prepared = new Map<string, Promise<void>>();
  #map: NodeMap | undefined;

  constructor(context: NodeContext, resolver: KeyResolver) {
    this.#context = context;
    this.#resolver = resolver;
  }

  /**
   * The next keys of a partition behind `after`.
   * @throws FlareError REFUSED, retriable, when the two maps differ | CLOSED | IO_ERROR
   */
  read(query: PartQuery): Promise<ScanPage> {
    return this.#turnstile.pass(() => this.#read(query));
  }

  async #read(query: PartQuery): Promise<ScanPage> {
    const { routing } = this.#context;
    const map = routing.nodeMap;
    if (routing.partitionMap.active.length !== query.count || !routing.readsPart(query.partition)) throw otherMap();
    await this.#prepare(query.scan, map);
    const page = await this.#walk(query);
    // What was here may have been dropped for a copy meanwhile.
    if (routing.nodeMap !== map) throw otherMap();
    return page;
  }

  /**
   * A walk sees what is in the engine, so everything written before a scan goes there once, when its first page comes here.
   * With another map the data may be others.
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
    const preparing = this.#context.storage.checkpoint().catch((error: unknown) => {
      this.#prepared.delete(scan);
      throw error;
    });
    this.#prepared.set(scan, preparing);
    return preparing;
  }

  async #walk(query: PartQuery): Promise<ScanPage> {
    const { prefix, after, limit, bytesMax, values } = query;
    const cursor = this.#context.storage.openCursor({
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
      // Some engines answer at once: the requests of others come in between all the same.
      await new Promise<void>((resolve) => this.#context.runtime.clock.defer(resolve));
    }
    return { items, lastKey };
  }

  /** Keys that have moved to another partition lie here for a while longer. */
  #belongs(key: Uint8Array, { partition, count }: PartQuery): boolean {
    return count <= 1 || this.#resolver.resolve(this.#context.keyHash(key, 0, key.length), count) === partition;
  }
}

function otherMap(): FlareError {
  return new FlareError("REFUSED", "the node map is changing", { retriable: true });
}
