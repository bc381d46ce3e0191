/**
 * memcached's ways to list keys: `lru_crawler metadump` and `mgdump`, and `stats cachedump`, on top of a scan of the whole
 * cluster, at the reader's pace. There is one class of items, 1, and no crawler: the other forms of `lru_crawler` control
 * listings and the search for expired items.
 */

import { base64 } from "../../base/base64.ts";
import { EMPTY_BYTES, latin1 } from "../../base/bytes.ts";
import { uriEncoded } from "../../base/uri_bytes.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import type { ScannedItem } from "../../protocol/scan/scan_page.ts";
import { SCAN_LIMIT_MAX } from "../../protocol/scan/scan_request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine } from "../../protocol/text/server_error.ts";
import { isTextKey } from "../../protocol/text/text_key.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { BandwidthLimit } from "../../replication/bandwidth_limit.ts";
import type { NodeComponents } from "../node_components.ts";
import type { ClusterScan } from "../scan/cluster_scan.ts";

const PAGE_KEYS = 500;
/** Most listings that fetch a page at a time; one with a slow reader does not count. */
const LISTINGS_MAX = 8;
const CLASSES_MAX = 63;
/** The only class. */
const CLASS = 1;
const SLEEP_US_MAX = 1000000;
/** `sleep` is the pause after this many items. */
const ITEMS_PER_SLEEP = 1000;

const BUSY = "BUSY currently processing crawler request";
const BAD_CLASS = "BADCLASS invalid class id";
const DISABLED = "CLIENT_ERROR lru crawler disabled";

/** The format of a listing. */
interface Form {
  /** The text of one item, undefined = the format cannot represent it. */
  readonly line: (item: ScannedItem) => string | undefined;
  readonly last: string;
  /** 0 = all. */
  readonly itemsMax: number;
}

type Words = readonly string[];

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "crawler" | "runtime" | "storage">;

export class KeyListings {
  readonly #parts: Parts;
  readonly #scan: ClusterScan;
  readonly #newScan: () => string;
  #crawling = false;
  #fetching = 0;

  constructor(parts: Parts, scan: ClusterScan, newScan: () => string) {
    this.#parts = parts;
    this.#scan = scan;
    this.#newScan = newScan;
  }

  /** `lru_crawler metadump <classes>`; `words` are all words after the command, here and below. */
  metadump(words: Words, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#dump(words, { line: metadumpLine, last: "END", itemsMax: 0 }, reply, session);
  }

  /** `lru_crawler mgdump <classes>`. */
  mgdump(words: Words, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#dump(words, { line: mgdumpLine, last: "EN", itemsMax: 0 }, reply, session);
  }

  enable(words: Words): string {
    if (words.length !== 1) return "ERROR";
    if (this.#parts.crawler.enabled) return "ERROR failed to start lru crawler thread";
    this.#parts.crawler.enabled = true;
    return "OK";
  }

  disable(words: Words): string {
    if (words.length !== 1) return "ERROR";
    this.#parts.crawler.enabled = false;
    return "OK";
  }

  /** How long a listing pauses after each thousand items. */
  sleep(words: Words): string {
    const argument = argumentOf(words);
    if (argument === undefined) return "ERROR";
    if (!isNumber(argument)) return BAD_LINE;
    if (Number(argument) > SLEEP_US_MAX) return "CLIENT_ERROR sleep must be one second or less";
    this.#parts.crawler.sleepUs = Number(argument);
    return "OK";
  }

  /** How many items a crawl checks. */
  toCrawl(words: Words): string {
    const argument = argumentOf(words);
    if (argument === undefined) return "ERROR";
    if (!isNumber(argument)) return BAD_LINE;
    this.#parts.crawler.toCrawl = Number(argument);
    return "OK";
  }

  /** `stats cachedump <class> <limit>`; without a limit (0) everything, where memcached stops at two megabytes. */
  cachedump(words: Words, reply: TextReply, session: ClientSession): void | Promise<void> {
    const [classText, limitText] = words;
    if (classText === undefined || limitText === undefined) return reply.line("CLIENT_ERROR bad command line");
    if (!isNumber(classText) || !isNumber(limitText)) return reply.line(BAD_LINE);
    if (Number(classText) > CLASSES_MAX) return reply.line("CLIENT_ERROR Illegal slab id");
    if (Number(classText) !== CLASS) return reply.end();
    return this.#list({ line: cachedumpLine, last: "END", itemsMax: Number(limitText) }, reply, session);
  }

  /** Removes expired items on this node, in the background. */
  crawl(words: Words): string {
    const argument = argumentOf(words);
    if (argument === undefined) return "ERROR";
    if (!this.#parts.crawler.enabled) return DISABLED;
    const classes = argument === "all" ? [CLASS] : parseClasses(argument);
    if (classes === undefined) return BAD_CLASS;
    if (this.#crawling) return BUSY;
    if (!classes.includes(CLASS)) return "OK";
    this.#crawling = true;
    const { storage, runtime } = this.#parts;
    storage
      .sweep(this.#parts.crawler.toCrawl === 0 ? storage.stats().items : this.#parts.crawler.toCrawl)
      .catch((error: Error) => runtime.log.write("warning", `lru_crawler crawl: ${error.message}`))
      .finally(() => {
        this.#crawling = false;
      });
    return "OK";
  }

  #dump(words: Words, form: Form, reply: TextReply, session: ClientSession): void | Promise<void> {
    const argument = argumentOf(words);
    if (argument === undefined) return reply.line("ERROR");
    if (!this.#parts.crawler.enabled) return reply.line(DISABLED);
    const classes = argument === "all" || argument === "hash" ? [CLASS] : parseClasses(argument);
    if (classes === undefined) return reply.line(BAD_CLASS);
    return classes.includes(CLASS) ? this.#list(form, reply, session) : reply.line(form.last);
  }

  #list(form: Form, reply: TextReply, session: ClientSession): void | Promise<void> {
    if (this.#fetching >= LISTINGS_MAX) return reply.line(BUSY);
    return this.#stream(form, reply, session);
  }

  async #stream({ line, last, itemsMax }: Form, reply: TextReply, session: ClientSession): Promise<void> {
    const pace = new BandwidthLimit(this.#parts.runtime.clock, 0, this.#parts.crawler.sleepUs / ITEMS_PER_SLEEP);
    const forget = session.whenGone(() => pace.end());
    const scan = this.#newScan();
    let left = itemsMax === 0 ? Number.POSITIVE_INFINITY : itemsMax;
    let after: Uint8Array | undefined = EMPTY_BYTES;
    let unsayable = 0;
    try {
      while (after !== undefined && left > 0 && !session.gone) {
        const page = await this.#fetch(scan, after, Math.min(left, PAGE_KEYS, SCAN_LIMIT_MAX));
        for (const item of page.items) {
          const text = line(item);
          if (text === undefined) {
            unsayable++;
            continue;
          }
          reply.segment.putText(text);
          left--;
        }
        after = page.lastKey;
        await pace.spend(0, page.items.length);
        // Nothing is held between two pages, so a slow reader costs nothing.
        session.makeRoom();
        await session.roomInOutput(reply.segment);
      }
      if (unsayable > 0) {
        this.#parts.runtime.log.write("warning", `a listing omitted ${unsayable} key(s) that do not fit into a line of text`);
      }
      reply.line(last);
    } catch (error) {
      reply.line(faultLine(error));
    } finally {
      forget();
    }
  }

  async #fetch(scan: string, after: Uint8Array, limit: number) {
    this.#fetching++;
    try {
      return await this.#scan.page({ scan, prefix: EMPTY_BYTES, after, limit, values: false, ofMasters: false });
    } finally {
      this.#fetching--;
    }
  }
}

/** memcached ends these lines with LF alone. */
function metadumpLine(item: ScannedItem): string {
  const { key, expire, accessSeconds, version, fetched } = item;
  const name = uriEncoded(key);
  const times = `exp=${expire === 0 ? -1 : expire} la=${accessSeconds}`;
  return `key=${name} ${times} cas=${version} fetch=${fetched ? "yes" : "no"} cls=${CLASS} size=${sizeOf(item)}\n`;
}

function mgdumpLine({ key }: ScannedItem): string {
  return isTextKey(key) ? `mg ${latin1(key)}\r\n` : `mg ${base64(key)} b\r\n`;
}

function cachedumpLine({ key, valueBytes, expire }: ScannedItem): string | undefined {
  if (!isTextKey(key)) return undefined;
  return `ITEM ${latin1(key)} [${valueBytes} b; ${expire} s]\r\n`;
}

/** As in `me`: the size of the item in memory. */
function sizeOf({ key, flags, valueBytes }: ScannedItem): number {
  return `VALUE  ${flags} ${valueBytes}\r\n\r\n`.length + key.length + valueBytes;
}

/** The only argument after the form's word. */
function argumentOf(words: Words): string | undefined {
  return words.length === 2 ? words[1] : undefined;
}

/** Comma-separated numbers; undefined = one of them is not a class. */
function parseClasses(text: string): number[] | undefined {
  const words = text.split(",").filter((word) => word !== "");
  const isClass = (word: string): boolean => isNumber(word) && Number(word) >= 1 && Number(word) <= CLASSES_MAX;
  return words.length > 0 && words.every(isClass) ? words.map(Number) : undefined;
}

function isNumber(text: string): boolean {
  return /^\+?\d{1,19}$/.test(text);
}
