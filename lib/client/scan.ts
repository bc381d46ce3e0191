/**
 * Scans and deletions by prefix over a whole cluster, through any of its nodes: page by page, with a rate limit, retrying
 * failed pages. The last cursor has the position; the server keeps no state.
 */

import { FlareError } from "../base/errors.ts";
import { booleanField, type FieldsOf, field, functionField, integerField, isBytes } from "../base/given_fields.ts";
import type { Uint64 } from "../base/uint64.ts";
import { parseCursor, type ScanCursor } from "../protocol/scan/scan_cursor.ts";
import { parseScanPage } from "../protocol/scan/scan_page.ts";
import { encodeDeletePrefix, encodeScan, SCAN_LIMIT_MAX } from "../protocol/scan/scan_request.ts";
import { IN_DOUBT } from "../protocol/text/refusal_lines.ts";
import { type ClientReply, ReplyShape } from "../protocol/text/text_client.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Bytes } from "./item.ts";

/** The options of a scan. */
export interface ScanOptions {
  /** Only keys with this prefix; default all. */
  readonly prefix?: Bytes;
  /** Keys per page, 1 … 1000; default 1000. */
  readonly pageSize?: number;
  /** Keys per second on average; 0 = no limit (the default). */
  readonly ratePerSecond?: number;
  /** With values; default false. */
  readonly values?: boolean;
}

/** An item of a scan; the bytes belong to the caller. */
export interface ScanItem {
  /** 1 … 8191 bytes. */
  readonly key: Uint8Array;
  /** Undefined unless requested. */
  readonly value: Uint8Array | undefined;
  /** Length of the value. */
  readonly valueBytes: number;
  /** 0 … 2^32-1. */
  readonly flags: number;
  /** Absolute second, 0 = never. */
  readonly expire: number;
  /** Flare's version, memcached's cas unique. */
  readonly version: Uint64;
}

/** Which page of a scan. */
export interface ScanPageOptions {
  /** Only keys with this prefix; default all. The same for all pages of a scan. */
  readonly prefix?: Bytes;
  /** Most keys of the page, 1 … 1000; default 1000. */
  readonly limit?: number;
  /** `cursor` of the page before; default: the first page. */
  readonly cursor?: string;
  /** With values; default false. */
  readonly values?: boolean;
}

/** A page of a scan. */
export interface ScanPage {
  /** In key order. */
  readonly items: readonly ScanItem[];
  /** Continues the scan; undefined = this is the last page. */
  readonly cursor: string | undefined;
}

/** The options of a deletion by prefix. */
export interface DeletePrefixOptions {
  /** Most items to delete; default all. */
  readonly limit?: number;
  /** Items per second on average; 0 = no limit (the default). */
  readonly ratePerSecond?: number;
  /** Called after each batch with the progress. */
  readonly onProgress?: (progress: DeleteProgress) => void;
}

/** The fields a program may pass to a scan. */
export const scanFields: FieldsOf<ScanOptions> = {
  prefix: field("a string or a Uint8Array", (value) => typeof value === "string" || isBytes(value)),
  pageSize: integerField(1, SCAN_LIMIT_MAX),
  ratePerSecond: integerField(0),
  values: booleanField,
};

/** The fields a program may pass for a page of a scan. */
export const scanPageFields: FieldsOf<ScanPageOptions> = {
  prefix: scanFields.prefix,
  limit: integerField(1, SCAN_LIMIT_MAX),
  cursor: field("the cursor of a page of a scan", (value) => typeof value === "string" && parseCursor(value) !== undefined),
  values: booleanField,
};

/** The fields a program may pass to a deletion by prefix. */
export const deletePrefixFields: FieldsOf<DeletePrefixOptions> = {
  limit: integerField(1),
  ratePerSecond: integerField(0),
  onProgress: functionField,
};

/** The progress of a deletion by prefix. */
export interface DeleteProgress {
  /** Items deleted; for a batch that was repeated because its answer was lost, only those found the second time. */
  readonly deleted: number;
  /** Milliseconds since the start. */
  readonly elapsedMs: number;
  /** False if `limit` was reached and there may be more. */
  readonly complete: boolean;
}

/** What a scan needs from its connection. */
export interface ScanServer {
  /** `host:port`, for messages. */
  readonly name: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Waits, at most until the connection is closed. */
  pause(delayMs: number): Promise<void>;
  request(bytes: Uint8Array, shape: ReplyShape): Promise<ClientReply>;
}

/** How often a failed page is retried … */
const PAGE_ATTEMPTS = 5;
/** … after this pause: a slave needs a moment to take over from a master. */
const PAUSE_MS = 1000;

/**
 * The items of the whole cluster in key order.
 * @throws FlareError INVALID_OPTION | UNSUPPORTED (the server has no scans) | REFUSED | CONNECTION_FAILED | TIMED_OUT | CORRUPT
 */
export async function* scanItems(
  server: ScanServer,
  prefix: Uint8Array,
  options: Omit<ScanOptions, "prefix">,
): AsyncGenerator<ScanItem> {
  const { values = false } = options;
  const { ratePerSecond: rate = 0, pageSize = SCAN_LIMIT_MAX } = options;
  const limit = pageOf(pageSize, rate);
  const pace = new Pace(server, rate);
  let cursor: string | undefined;
  do {
    const page = await scanPage(server, prefix, { limit, values, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.items;
    cursor = page.cursor;
    if (cursor !== undefined) await pace.spend(page.items.length);
  } while (cursor !== undefined);
}

/** One page of it. @throws FlareError as `scanItems` */
export async function scanPage(
  server: ScanServer,
  prefix: Uint8Array,
  { limit = SCAN_LIMIT_MAX, cursor: token, values = false }: Omit<ScanPageOptions, "prefix">,
): Promise<ScanPage> {
  const cursor = token === undefined ? undefined : parseCursor(token);
  const query = { limit, prefix, values, part: undefined, cursor };
  const reply = await patiently(server, () => ask(server, encodeScan(query, ""), ReplyShape.scan, "scan"));
  const page = parseScanPage(reply);
  if (page === undefined) throw new FlareError("CORRUPT", `"${server.name}" sent a malformed page of a scan`);
  const items = page.items.map(({ key, value, valueBytes, flags, expire, version }) => {
    return { key, value: values ? value : undefined, valueBytes, flags, expire, version };
  });
  return { items, cursor: page.lastKey === undefined ? undefined : reply.line.slice("NEXT ".length) };
}

/**
 * Deletes the items whose keys begin with `prefix`, in key order; returns how many.
 * @throws FlareError as `scanItems`, and IN_DOUBT if the outcome of the last batch is unknown; repeating the call is harmless
 */
export async function deletePrefix(
  server: ScanServer,
  prefix: Uint8Array,
  options: DeletePrefixOptions,
): Promise<DeleteProgress> {
  if (prefix.length === 0) throw new FlareError("INVALID_OPTION", "a prefix must have at least one byte");
  const { limit: most = Number.MAX_SAFE_INTEGER, ratePerSecond: rate = 0 } = options;
  const pace = new Pace(server, rate);
  let deleted = 0;
  let cursor: ScanCursor | undefined;
  for (;;) {
    const line = encodeDeletePrefix({ limit: Math.min(pageOf(SCAN_LIMIT_MAX, rate), most - deleted), prefix, cursor });
    const reply = await patiently(server, () => ask(server, line, ReplyShape.line, "delete_prefix"));
    const [, word, count, token] = /^(DELETED|MORE) (\d{1,10})(?: (\S+))?$/.exec(reply.line) ?? [];
    cursor = token === undefined ? undefined : parseCursor(token);
    if (word === undefined || (word === "MORE") !== (cursor !== undefined)) {
      throw new FlareError("CORRUPT", `"${server.name}" answered "${reply.line}" to "delete_prefix"`);
    }
    deleted += Number(count);
    const progress = { deleted, elapsedMs: pace.elapsedMs, complete: cursor === undefined };
    options.onProgress?.(progress);
    if (cursor === undefined || deleted >= most) return progress;
    await pace.spend(Number(count));
  }
}

/** Pages of at most one second's worth keep the rate even. */
function pageOf(limit: number, rate: number): number {
  return rate === 0 ? limit : Math.min(limit, rate);
}

/** Retries after a temporary failure. Repeating a batch of deletions deletes nothing else. */
async function patiently<T>(server: ScanServer, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FlareError) || attempt === PAGE_ATTEMPTS) throw error;
      // Before a first page a node runs a checkpoint, which may time out; the retry benefits from the progress.
      if (!error.retriable && error.code !== "TIMED_OUT") throw error;
    }
    await server.pause(PAUSE_MS);
  }
}

async function ask(server: ScanServer, bytes: Uint8Array, shape: ReplyShape, command: string): Promise<ClientReply> {
  const reply = await server.request(bytes, shape);
  const { line } = reply;
  if (line === "ERROR") throw new FlareError("UNSUPPORTED", `"${server.name}" does not know "${command}"`);
  if (!line.startsWith("CLIENT_ERROR ") && !line.startsWith("SERVER_ERROR ")) return reply;
  const code = line.startsWith(IN_DOUBT) ? "IN_DOUBT" : "REFUSED";
  const retriable = line.startsWith("SERVER_ERROR ");
  throw new FlareError(code, `"${server.name}" answered "${line}" to "${command}"`, { retriable });
}

/** Waits until a number of items is within the rate. */
class Pace {
  readonly #server: ScanServer;
  readonly #rate: number;
  readonly #startedMs: number;
  #count = 0;

  constructor(server: ScanServer, rate: number) {
    this.#server = server;
    this.#rate = rate;
    this.#startedMs = server.clock.monotonicMs();
  }

  get elapsedMs(): number {
    return this.#server.clock.monotonicMs() - this.#startedMs;
  }

  async spend(count: number): Promise<void> {
    this.#count += count;
    if (this.#rate === 0) return;
    const aheadMs = (this.#count * 1000) / this.#rate - this.elapsedMs;
    if (aheadMs > 0) await this.#server.pause(aheadMs);
  }
}
