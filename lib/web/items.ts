/**
 * Items of the cluster over HTTP: one by its key, to read, store and delete, and the keys with a prefix, page by page. Any node
 * answers for all keys, so one of them is asked: this server itself if it is a node. Keys and values are bytes, in base64url.
 */

import { ClusterAdmin } from "../admin/cluster_admin.ts";
import { activeNode } from "../admin/node_report.ts";
import { base64url, decodeBase64url } from "../base/base64.ts";
import { MIB } from "../base/byte_units.ts";
import { equalBytes } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { booleanField, checkFields, field, integerField, stringField } from "../base/given_fields.ts";
import { formatHostPort } from "../base/host_port.ts";
import { UINT32_MAX } from "../base/number_bounds.ts";
import { parseWholeNumber } from "../base/whole_number.ts";
import type { Client } from "../client/client.ts";
import { EXPTIME_RELATIVE_MAX } from "../item/entry.ts";
import { auditLine } from "../net/audit.ts";
import type { ClientIdentity } from "../net/auth/access_list.ts";
import { type HttpHandler, jsonResponse } from "../net/http/http_handler.ts";
import { adminOptions, type CollectorHost } from "./collector.ts";
import { failure, parsedBody } from "./json_body.ts";

/** The longest request to store an item: a value of a megabyte in base64, and more. */
export const ITEM_BYTES_MAX: number = 2 * MIB;
/** Most keys of a page. */
export const PAGE_MAX = 1000;
const PAGE_DEFAULT = 100;
/** The longest answer of a node. */
const REPLY_BYTES_MAX = 16 * MIB;
const TTL_MAX_S = 10 * 365 * 86_400;

/** What a request to store has. */
const storeFields = {
  key64: stringField,
  value64: stringField,
  flags: integerField(0, UINT32_MAX),
  ttl: integerField(0, TTL_MAX_S),
  version: field("an integer from 1 to 2^53-1, or a string of digits", isVersion),
  ifAbsent: booleanField,
};

export class Items {
  readonly #host: CollectorHost;
  #admin: ClusterAdmin | undefined;

  constructor(host: CollectorHost) {
    this.#host = host;
  }

  /** Closes its connections; addresses or certificates may have changed. */
  close(): void {
    this.#admin?.close();
    this.#admin = undefined;
  }

  /** `GET ?key64=` or `?key=`. */
  readonly get: HttpHandler = (request) => answered(() => this.#get(keyOf(request)));

  /** `PUT` with a body. */
  readonly put: HttpHandler = (_request, client, body) => answered(() => this.#put(parsedBody(body), client));

  /** `DELETE ?key64=` or `?key=`. */
  readonly remove: HttpHandler = (request, client) => answered(() => this.#remove(keyOf(request), client));

  /** `GET ?prefix64=&cursor=&limit=`. */
  readonly scan: HttpHandler = (request) => answered(() => this.#scan(new URL(request.url).searchParams));

  get #client(): Client {
    const { kind, address, nodeMap } = this.#host;
    const key = kind === "node" ? formatHostPort(address.host, address.port) : activeNode(nodeMap);
    this.#admin ??= new ClusterAdmin({ ...adminOptions(this.#host), replyBytesMax: REPLY_BYTES_MAX });
    return this.#admin.client(key);
  }

  async #get(key: Uint8Array): Promise<Response> {
    const item = await this.#client.gets(key);
    if (item === undefined) return jsonResponse(200, { found: false });
    return jsonResponse(200, {
      found: true,
      key64: base64url(item.key),
      value64: base64url(item.value),
      flags: item.flags,
      bytes: item.value.length,
      ttl: await this.#ttl(key),
      version: versionOf(item.version),
    });
  }

  /** Seconds left, -1 = it never expires, null = the node does not say it. */
  async #ttl(key: Uint8Array): Promise<number | null> {
    try {
      const seconds = await this.#client.ttl(key);
      return seconds === undefined ? null : Number.isFinite(seconds) ? seconds : -1;
    } catch (error) {
      if (error instanceof FlareError && error.code === "REFUSED") return null;
      throw error;
    }
  }

  async #put(given: unknown, by: ClientIdentity): Promise<Response> {
    checkFields(storeFields, given);
    const {
      key64,
      value64,
      flags = 0,
      ttl = 0,
      version,
      ifAbsent = false,
    } = given as {
      readonly key64?: string;
      readonly value64?: string;
      readonly flags?: number;
      readonly ttl?: number;
      readonly version?: number | string;
      readonly ifAbsent?: boolean;
    };
    const key = bytesOf("key64", key64);
    const value = bytesOf("value64", value64);
    if (version !== undefined && ifAbsent) {
      throw new FlareError("INVALID_OPTION", 'either "version" or "ifAbsent" may be given: an absent item has no version');
    }
    const options = { flags, exptime: this.#exptime(ttl) };
    const client = this.#client;
    const result =
      version !== undefined
        ? await client.cas(key, value, asUint64(version), options)
        : ifAbsent
          ? await client.add(key, value, options)
          : await client.set(key, value, options);
    this.#audit(by, `set ${key64}`, result);
    if (result === "STORED") return jsonResponse(200, { stored: true, version: await this.#versionOf(client, key, value) });
    const reason = result === "NOT_FOUND" ? "it is not there any more" : "it is there, or another version of it";
    return jsonResponse(409, { error: `the item was not stored: ${reason}; read it again`, result });
  }

  async #remove(key: Uint8Array, by: ClientIdentity): Promise<Response> {
    const deleted = await this.#client.delete(key);
    this.#audit(by, `delete ${base64url(key)}`, deleted ? "DELETED" : "NOT_FOUND");
    return jsonResponse(200, { deleted });
  }

  async #scan(query: URLSearchParams): Promise<Response> {
    const limit = query.has("limit") ? parseWholeNumber(query.get("limit") ?? "", PAGE_MAX) : PAGE_DEFAULT;
    if (limit === undefined || limit === 0) {
      throw new FlareError("INVALID_OPTION", `"limit": "${query.get("limit")}" is not an integer from 1 to ${PAGE_MAX}`);
    }
    const prefix = query.get("prefix64") ? bytesOf("prefix64", query.get("prefix64") ?? "") : new Uint8Array();
    const cursor = query.get("cursor") ?? "";
    const page = await this.#client.scanPage({ prefix, limit, ...(cursor === "" ? {} : { cursor }) });
    const keys = page.items.map(({ key, valueBytes }) => ({ key64: base64url(key), bytes: valueBytes }));
    return jsonResponse(200, { keys, cursor: page.cursor ?? null });
  }

  /** The version of what was just stored; null if somebody has already stored something else. */
  async #versionOf(client: Client, key: Uint8Array, value: Uint8Array): Promise<number | string | null> {
    const item = await client.gets(key);
    const isSame = item !== undefined && equalBytes(item.value, 0, item.value.length, value, 0, value.length);
    return isSame ? versionOf(item.version) : null;
  }

  #exptime(ttl: number): number {
    return ttl > EXPTIME_RELATIVE_MAX ? Math.floor(this.#host.runtime.clock.nowMs() / 1000) + ttl : ttl;
  }

  #audit(by: ClientIdentity, what: string, result: string): void {
    this.#host.runtime.log.write("notice", auditLine(by, "http", what, result));
  }
}

async function answered(work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    return failure(error);
  }
}

/** The key of a request's query. @throws FlareError INVALID_OPTION */
function keyOf({ url }: Request): Uint8Array {
  const query = new URL(url).searchParams;
  const text = query.get("key");
  if (text !== null && !query.has("key64")) return new TextEncoder().encode(text);
  return bytesOf("key64", query.get("key64") ?? undefined);
}

/** @throws FlareError INVALID_OPTION */
function bytesOf(name: string, text: string | undefined): Uint8Array {
  const bytes = text === undefined ? undefined : decodeBase64url(text);
  if (bytes !== undefined) return bytes;
  const found = text === undefined ? "is missing" : `"${text.slice(0, 60)}" is not base64url`;
  throw new FlareError("INVALID_OPTION", `"${name}" ${found}: give its bytes in base64url`);
}

/** JSON has no integers above 2^53: they are strings. */
function versionOf(version: number | bigint | undefined): number | string | null {
  return typeof version === "bigint" ? String(version) : (version ?? null);
}

function isVersion(value: unknown): boolean {
  return typeof value === "string" ? /^\d{1,19}$/.test(value) : Number.isSafeInteger(value) && Number(value) >= 0;
}

function asUint64(version: number | string): number | bigint {
  const value = BigInt(version);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
