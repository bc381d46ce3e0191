/**
 * `restore`: sets the items of a dump on a server, many at a time, and reports the outcome of each; deletions of a backup
 * delete. It reads chunks of bytes and knows no files.
 */

import { MIB } from "../base/byte_units.ts";
import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import { type Client, isClientKey, StoreResult } from "../client/client.ts";
import type { BackupRecord } from "../client/dump.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { DumpFileParser } from "./dump_file_parser.ts";
import type { DumpFormat } from "./dump_format.ts";

/** Which items are restored, and how. */
export interface RestoreOptions {
  readonly format: DumpFormat;
  /** Only keys (read as UTF-8) that match one of these; none = all keys. */
  readonly include?: readonly RegExp[];
  /** No keys that match one of these. */
  readonly exclude?: readonly RegExp[];
  /** Only keys with this prefix. */
  readonly prefix?: string;
  /** 0 = no limit (the default). */
  readonly bytesPerSecond?: number;
  /**
   * Keep the versions of the dump; existing items whose version is not lower stay, and so do deletions. Default false: items
   * replace what is there.
   */
  readonly keepVersions?: boolean;
  /** Accept a dump without an end line, or with a wrong one. Default false: it is refused. */
  readonly acceptIncomplete?: boolean;
}

/** The outcome for one item of the dump. */
export interface RestoredItem {
  readonly key: Uint8Array;
  /**
   * `deleted` = there was an item, and the backup has its deletion; `kept` = the server has this version or a newer one, or
   * had it when the key was deleted, or has nothing to delete; `excluded` by the options; `expired` since the dump; `refused`
   * by the server.
   */
  readonly outcome: "stored" | "deleted" | "kept" | "excluded" | "expired" | "refused";
  /** Why it was refused. */
  readonly reason: string;
}

/** Most items in flight. */
export const WINDOW_ITEMS_MAX = 256;
export const WINDOW_BYTES_MAX = 4 * MIB;

/** Reads a dump to its end and resolves to the number of its items. @throws FlareError CORRUPT naming the line */
export async function checkDump(chunks: AsyncIterable<Uint8Array>, format: DumpFormat): Promise<number> {
  let count = 0;
  for await (const window of dumpRecords(chunks, { format })) count += window.length;
  return count;
}

/**
 * Restores a dump, in batches; the next one starts when the reader asks for it. Whether the dump is complete is known only at
 * its end; use `checkDump` before.
 * @throws FlareError CORRUPT naming the line | CONNECTION_FAILED | TIMED_OUT; items stored before stay
 */
export async function* restoreItems(
  runtime: Runtime,
  client: Client,
  chunks: AsyncIterable<Uint8Array>,
  options: RestoreOptions,
): AsyncGenerator<RestoredItem[]> {
  yield* restoreRecords(runtime, client, dumpRecords(chunks, options), options);
}

/** As `restoreItems`, with records that are not those of a dump; a batch is in flight at once. @throws FlareError */
export async function* restoreRecords(
  runtime: Runtime,
  client: Client,
  batches: AsyncIterable<BackupRecord[]>,
  options: RestoreOptions,
): AsyncGenerator<RestoredItem[]> {
  const startedMs = runtime.clock.monotonicMs();
  const store = await storeOf(client, options);
  let bytes = 0;
  for await (const window of batches) {
    const nowSeconds = Math.floor(runtime.clock.nowMs() / 1000);
    yield await Promise.all(window.map((item) => restoreItem(store, item, nowSeconds, options)));
    if (options.bytesPerSecond === undefined || options.bytesPerSecond === 0) continue;
    bytes += windowBytes(window);
    const aheadMs = (bytes * 1000) / options.bytesPerSecond - (runtime.clock.monotonicMs() - startedMs);
    if (aheadMs > 0) await sleep(runtime.clock, aheadMs, true);
  }
}

/** The records of a dump, in batches of which one may be in flight. @throws FlareError CORRUPT naming the line */
export async function* dumpRecords(
  chunks: AsyncIterable<Uint8Array>,
  { format, acceptIncomplete }: Pick<RestoreOptions, "format" | "acceptIncomplete">,
): AsyncGenerator<BackupRecord[]> {
  const parser = new DumpFileParser(format, acceptIncomplete);
  let window: BackupRecord[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      parser.push(chunk);
      for (let item = parser.next(); item !== undefined; item = parser.next()) {
        window.push(item);
        bytes += item.key.length + item.value.length;
        if (window.length < WINDOW_ITEMS_MAX && bytes < WINDOW_BYTES_MAX) continue;
        yield window;
        window = [];
        bytes = 0;
      }
    }
    const last = parser.last();
    if (last !== undefined) window.push(last);
    parser.requireComplete();
  } finally {
    // The items before an error are valid.
    if (window.length > 0) yield window;
  }
}

function windowBytes(window: readonly BackupRecord[]): number {
  return window.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

/** How items and deletions are restored. */
interface Store {
  item(item: BackupRecord): Promise<StoreResult>;
  /** Returns whether there was an item that is deleted now. */
  deletion(deletion: BackupRecord, nowSeconds: number): Promise<boolean>;
}

/** @throws FlareError */
async function storeOf(client: Client, options: RestoreOptions): Promise<Store> {
  const item = await storeItem(client, options);
  if (options.keepVersions !== true) return { item, deletion: ({ key }) => client.delete(key) };
  return {
    item,
    async deletion({ key, expire, version }, nowSeconds) {
      // What has a lower version, or the same, is deleted; what has none keeps the deletion with its version.
      const command = `delete ${latin1(key)} ${expire > nowSeconds ? expire : 0} ${version}`;
      const line = await client.line(command);
      if (line === "DELETED" || line === "NOT_FOUND") return line === "DELETED";
      throw new FlareError("REFUSED", `"${client.server}" answered "${line}" to "${command}"`);
    },
  };
}

/** A node that does not know `restore` compares versions with items only, not with deletions. */
async function storeItem(client: Client, { keepVersions = false }: RestoreOptions): Promise<Store["item"]> {
  if (!keepVersions) return ({ key, value, flags, expire }) => client.set(key, value, { flags, exptime: expire });
  // Without arguments it changes nothing.
  if ((await client.line("restore")) === "ERROR")
    return ({ key, value, flags, expire, version }) => client.set(key, value, { flags, exptime: expire, version });
  return ({ key, value, flags, expire, version }) => client.restore(key, value, version, { flags, exptime: expire });
}

async function restoreItem(
  store: Store,
  item: BackupRecord,
  nowSeconds: number,
  options: RestoreOptions,
): Promise<RestoredItem> {
  const { key, expire } = item;
  if (!isWanted(key, options)) return { key, outcome: "excluded", reason: "" };
  if (!item.tombstone && expire > 0 && expire <= nowSeconds) return { key, outcome: "expired", reason: "" };
  if (!isClientKey(key)) return { key, outcome: "refused", reason: "the text protocol cannot represent this key" };
  try {
    if (item.tombstone) return { key, outcome: (await store.deletion(item, nowSeconds)) ? "deleted" : "kept", reason: "" };
    const result = await store.item(item);
    return { key, outcome: result === StoreResult.stored ? "stored" : "kept", reason: "" };
  } catch (error) {
    if (!(error instanceof FlareError) || error.code !== "REFUSED") throw error;
    return { key, outcome: "refused", reason: error.message };
  }
}

function isWanted(key: Uint8Array, { include = [], exclude = [], prefix = "" }: RestoreOptions): boolean {
  if (include.length === 0 && exclude.length === 0 && prefix === "") return true;
  const text = new TextDecoder().decode(key);
  if (!text.startsWith(prefix)) return false;
  if (include.length > 0 && !include.some((pattern) => pattern.test(text))) return false;
  return !exclude.some((pattern) => pattern.test(text));
}
