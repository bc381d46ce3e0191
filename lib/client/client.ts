/**
 * A typed client for one server: the commands of memcached and Flare as methods over one pipelined connection, and raw lines
 * for everything else. Keys and values are bytes; a string means its UTF-8 bytes. An ordinary refusal is a value
 * (`NOT_STORED`), a failure is a `FlareError`. It knows nothing of clusters.
 */

import { concatBytes, fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import {
  checkFields,
  choiceField,
  type FieldsOf,
  field,
  integerField,
  isBytes,
  shown,
  stringField,
  wrongValue,
} from "../base/given_fields.ts";
import { formatHostPort, parseHost } from "../base/host_port.ts";
import { LIBRARY_LOG_LEVEL } from "../base/log_levels.ts";
import { UINT32_MAX } from "../base/number_bounds.ts";
import { isUint64, parseUint64, type Uint64 } from "../base/uint64.ts";
import { isKeyTooLong } from "../item/key_length.ts";
import { NODE_PORT } from "../net/daemon_options.ts";
import { Peer } from "../net/peer/peer.ts";
import { WorkerRegistry, WorkerType } from "../net/worker.ts";
import { parseStatLine } from "../protocol/stat_lines.ts";
import { IN_DOUBT, PROXY_ERROR } from "../protocol/text/refusal_lines.ts";
import { type ClientReply, ReplyShape } from "../protocol/text/text_client.ts";
import { isTextKey } from "../protocol/text/text_key.ts";
import { detectRuntime } from "../runtime/detect.ts";
import type { Clock } from "../runtime/runtime.ts";
import { storageOptionTable } from "../storage/storage_options.ts";
import { type ClientOptions, clientFields, completeConnectionOptions, connectionRuntime } from "./client_options.ts";
import type { Bytes, Item } from "./item.ts";
import {
  type DeletePrefixOptions,
  type DeleteProgress,
  deletePrefix,
  deletePrefixFields,
  type ScanItem,
  type ScanOptions,
  type ScanPage,
  type ScanPageOptions,
  type ScanServer,
  scanFields,
  scanItems,
  scanPage,
  scanPageFields,
} from "./scan.ts";
import { parseValues } from "./value_blocks.ts";

/** The answers to a write with data. */
export const StoreResult = { stored: "STORED", notStored: "NOT_STORED", exists: "EXISTS", notFound: "NOT_FOUND" } as const;
/** One of `StoreResult`. */
export type StoreResult = (typeof StoreResult)[keyof typeof StoreResult];

/** Options for storing an item. */
export interface StoreOptions {
  /** 0 … 2^32-1, default 0. */
  readonly flags?: number;
  /** As on the wire: 0 = never (the default), up to 2592000 seconds from now, above that an absolute second. */
  readonly exptime?: number;
  /** Flare: store only if this is higher than the item's version; default 0 = always. */
  readonly version?: Uint64;
  /** Flare: whether the answer waits for the slaves; default: the server's setting. */
  readonly replication?: "sync" | "async";
}

const DEFAULT_HOST = "127.0.0.1";
/** The original splits longer keys in two. */
const KEY_BYTES_MAX = storageOptionTable.keyBytesMax.default;
const uint64Field = field("an integer from 0 to 2^64-1, a bigint if a number is not exact", isUint64);
const storeFields: FieldsOf<StoreOptions> = {
  flags: integerField(0, UINT32_MAX),
  exptime: integerField(0),
  version: uint64Field,
  replication: choiceField(["sync", "async"]),
};
const UTF8 = new TextEncoder();
const STORE_RESULTS: readonly string[] = Object.values(StoreResult);

/**
 * A client of one server, over one connection that is opened when it is needed and again after a fault. Requests are pipelined:
 * several may be under way at the same time. Any node answers for every key of its cluster. What a server refuses for good
 * reasons is a value, such as `NOT_STORED`; other faults are a `FlareError`, each method may throw these:
 *
 * - `CONNECTION_FAILED`: the server cannot be reached
 * - `TIMED_OUT`: no answer within `replyTimeoutMs`
 * - `IN_DOUBT`: a write was sent and its outcome is unknown
 * - `REFUSED`: the server answered with an error, which the message names
 * - `INVALID_OPTION`: a key, a value or an option is not what it must be
 * - `CLOSED`: `close` was called
 *
 * @example
 * ```ts
 * import { Client, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * using client = new Client(cluster.addresses[0]);
 * console.log(await client.set("visits", "41", { exptime: 60 })); // STORED
 * console.log(await client.incr("visits")); // 42
 * const item = await client.gets("visits");
 * console.log(await client.cas("visits", "0", item?.version ?? 0)); // STORED
 * ```
 */
export class Client {
  /** `host:port` of the server. */
  readonly server: string;
  readonly #peer: Peer;
  readonly #clock: Clock;
  readonly #scanServer: ScanServer;
  /** Ends the current pauses. */
  readonly #pauses = new Set<() => void>();

  /** Connects on the first request. @throws FlareError INVALID_OPTION */
  constructor(options: ClientOptions = {}) {
    checkFields(clientFields, options);
    const { host = DEFAULT_HOST, port = NODE_PORT } = options;
    const address = { host: parseHost(host) as string, port };
    const runtime = options.runtime ?? detectRuntime({ logLevel: LIBRARY_LOG_LEVEL });
    this.server = formatHostPort(address.host, port);
    const { request } = WorkerType;
    const settings = completeConnectionOptions(options);
    this.#peer = new Peer(connectionRuntime(runtime, options), address, request, new WorkerRegistry(), settings);
    this.#clock = runtime.clock;
    this.#scanServer = {
      name: this.server,
      clock: runtime.clock,
      pause: (delayMs) => this.#pause(delayMs),
      request: (bytes, shape) => this.#request(bytes, shape),
    };
  }

  /** Closes the connection; pending requests fail with CLOSED. */
  close(): void {
    this.#peer.close();
    for (const end of this.#pauses) end();
  }

  /** The same as `close`, at the end of a block with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The item, without its version; undefined if there is none. @throws FlareError */
  async get(key: Bytes): Promise<Item | undefined> {
    return (await this.#retrieve("get", [key]))[0];
  }

  /** The item with its version; undefined if there is none. @throws FlareError */
  async gets(key: Bytes): Promise<Item | undefined> {
    return (await this.#retrieve("gets", [key]))[0];
  }

  /** The items that exist, with their versions, in the order of the keys. @throws FlareError */
  async getMany(keys: readonly Bytes[]): Promise<Item[]> {
    if (!Array.isArray(keys)) throw wrongValue("keys", keys, "an array of keys");
    return keys.length === 0 ? [] : this.#retrieve("gets", keys);
  }

  /** Stores an item. @throws FlareError */
  set(key: Bytes, value: Bytes, options: StoreOptions = {}): Promise<StoreResult> {
    return this.#store("set", key, value, options);
  }

  /** Stores an item only if the key does not exist. @throws FlareError */
  add(key: Bytes, value: Bytes, options: StoreOptions = {}): Promise<StoreResult> {
    return this.#store("add", key, value, options);
  }

  /** Stores an item only if the key exists. @throws FlareError */
  replace(key: Bytes, value: Bytes, options: StoreOptions = {}): Promise<StoreResult> {
    return this.#store("replace", key, value, options);
  }

  /** Appends bytes to the value of an item. @throws FlareError */
  append(key: Bytes, value: Bytes): Promise<StoreResult> {
    return this.#store("append", key, value, {});
  }

  /** Prepends bytes to the value of an item. @throws FlareError */
  prepend(key: Bytes, value: Bytes): Promise<StoreResult> {
    return this.#store("prepend", key, value, {});
  }

  /** Stores an item if its version is still `version`. @throws FlareError */
  cas(key: Bytes, value: Bytes, version: Uint64, options: Omit<StoreOptions, "version"> = {}): Promise<StoreResult> {
    return this.#store("cas", key, value, { ...options, version });
  }

  /**
   * Stores an item of a backup with its version, unless the key has that version or a newer one, or had it when it was deleted:
   * the nodes remember deletions for `tombstone-retention`.
   * @throws FlareError; REFUSED by servers that do not know the command `restore` (memcached, the C++ Flare)
   */
  restore(key: Bytes, value: Bytes, version: Uint64, options: Omit<StoreOptions, "version"> = {}): Promise<StoreResult> {
    return this.#store("restore", key, value, { ...options, version });
  }

  /** Adds to a decimal value; resolves to the new value, undefined if there is no item. @throws FlareError */
  incr(key: Bytes, delta: Uint64 = 1): Promise<Uint64 | undefined> {
    return this.#count("incr", key, delta);
  }

  /** Subtracts from a decimal value, down to 0; resolves to the new value, undefined if there is no item. @throws FlareError */
  decr(key: Bytes, delta: Uint64 = 1): Promise<Uint64 | undefined> {
    return this.#count("decr", key, delta);
  }

  /** Deletes an item; false if there was none. @throws FlareError */
  async delete(key: Bytes): Promise<boolean> {
    return (await this.#tell("delete", [keyText(key)], ["DELETED", "NOT_FOUND"])) === "DELETED";
  }

  /** Sets the exptime of an item (as in `StoreOptions`); false if there is none. @throws FlareError */
  async touch(key: Bytes, exptime: number): Promise<boolean> {
    if (!storeFields.exptime.accepts(exptime)) throw wrongValue("exptime", exptime, storeFields.exptime.allowedValue);
    const words = [keyText(key), String(exptime)];
    return (await this.#tell("touch", words, ["TOUCHED", "NOT_FOUND"])) === "TOUCHED";
  }

  /**
   * How many seconds an item has left: `Infinity` if it never expires, undefined if there is none. Asking does not count as a
   * read.
   * @throws FlareError; REFUSED by servers that do not know the command `ttl` (memcached, the C++ Flare)
   * @example if (((await client.ttl("session")) ?? 0) < 60) await client.touch("session", 3600);
   */
  async ttl(key: Bytes): Promise<number | undefined> {
    const command = `ttl ${keyText(key)}`;
    const line = await this.line(command);
    if (line === "NOT_FOUND") return undefined;
    const seconds = /^TTL (-1|\d{1,10})$/.exec(line)?.[1];
    if (seconds === undefined) throw refused(this.server, command, line);
    return seconds === "-1" ? Number.POSITIVE_INFINITY : Number(seconds);
  }

  /**
   * Every item of the whole cluster, or those whose keys begin with `prefix`, in key order. Each item that existed when the
   * scan began and was not deleted since appears exactly once; items stored during the scan may or may not appear.
   * @throws FlareError
   *
   * @example
   * ```ts
   * import { startCluster } from "flare-kv";
   *
   * await using cluster = await startCluster({ partitions: 2 });
   * using client = cluster.client();
   * await Promise.all(["user:1", "other"].map((key) => client.set(key, "value")));
   * for await (const { key } of client.scan({ prefix: "user:" })) {
   *   console.log(new TextDecoder().decode(key)); // user:1
   * }
   * console.log((await client.deletePrefix("user:")).deleted); // 1
   * ```
   */
  scan(options: ScanOptions = {}): AsyncGenerator<ScanItem> {
    checkFields(scanFields, options);
    return scanItems(this.#scanServer, toBytes(options.prefix ?? "", "prefix"), options);
  }

  /**
   * A page of a scan, for programs that show keys page by page; no server keeps anything of it.
   * @throws FlareError
   *
   * @example
   * ```ts
   * import { startCluster } from "flare-kv";
   *
   * await using cluster = await startCluster();
   * using client = cluster.client();
   * for (const key of ["a", "b", "c"]) await client.set(key, "value");
   * const { items, cursor = "" } = await client.scanPage({ limit: 2 });
   * console.log(items.length, (await client.scanPage({ limit: 2, cursor })).items.length); // 2 1
   * ```
   */
  async scanPage(options: ScanPageOptions = {}): Promise<ScanPage> {
    checkFields(scanPageFields, options);
    return scanPage(this.#scanServer, toBytes(options.prefix ?? "", "prefix"), options);
  }

  /**
   * Deletes the items of the whole cluster whose keys begin with `prefix`.
   * @throws FlareError; earlier deletions are kept, and repeating the call is harmless
   */
  async deletePrefix(prefix: Bytes, options: DeletePrefixOptions = {}): Promise<DeleteProgress> {
    checkFields(deletePrefixFields, options);
    return deletePrefix(this.#scanServer, toBytes(prefix, "prefix"), options);
  }

  /**
   * Deletes all items of the whole cluster, at once or at the given time; items stored later stay.
   * @param delay as an exptime: 0 = at once, up to 30 days in seconds from now, more is an absolute second
   * @throws FlareError REFUSED naming the nodes that could not flush
   * @example await client.flushAll(); await client.flushAll(60);
   */
  async flushAll(delay = 0): Promise<void> {
    if (!storeFields.exptime.accepts(delay)) throw wrongValue("delay", delay, storeFields.exptime.allowedValue);
    await this.#tell("flush_all", [String(delay)], ["OK"]);
  }

  /** Checks the health of the server. @throws FlareError REFUSED with its answer if it is not healthy */
  async ping(): Promise<void> {
    await this.#tell("ping", [], ["OK"]);
  }

  /** The version of the server, such as `flare-2.0.0`. @throws FlareError */
  async version(): Promise<string> {
    const line = await this.line("version");
    if (!line.startsWith("VERSION ")) throw refused(this.server, "version", line);
    return line.slice("VERSION ".length);
  }

  /** The result of `stats` with the given words, in the server's order. @throws FlareError */
  async stats(...words: readonly string[]): Promise<Map<string, string>> {
    const command = ["stats", ...words].join(" ");
    const figures = new Map<string, string>();
    for (const line of await this.lines(command)) {
      const figure = parseStatLine(line);
      if (figure === undefined) throw refused(this.server, command, line);
      figures.set(...figure);
    }
    return figures;
  }

  /** Sends any command with a one-line answer, and returns that line. @throws FlareError */
  async line(command: string): Promise<string> {
    return (await this.#request(fromLatin1(`${oneLine(command)}\r\n`), ReplyShape.line)).line;
  }

  /** Sends any command whose answer is lines up to `END`, and returns the lines before `END`. @throws FlareError */
  async lines(command: string): Promise<string[]> {
    const { line, body } = await this.#request(fromLatin1(`${oneLine(command)}\r\n`), ReplyShape.lines);
    if (line !== "END") throw refused(this.server, command, line);
    return latin1(body).split("\r\n").slice(0, -1);
  }

  async #retrieve(command: "get" | "gets", keys: readonly Bytes[]): Promise<Item[]> {
    const text = `${command} ${keys.map(keyText).join(" ")}\r\n`;
    const { line, body } = await this.#request(fromLatin1(text), ReplyShape.values);
    if (line !== "END") throw refused(this.server, command, line);
    return parseValues(body);
  }

  async #store(command: string, key: Bytes, value: Bytes, options: StoreOptions): Promise<StoreResult> {
    checkFields(storeFields, options);
    const data = toBytes(value, "value");
    const { flags = 0, exptime = 0 } = options;
    const version = options.version === undefined ? "" : ` ${options.version}`;
    const replication = options.replication === undefined ? "" : ` ${options.replication}`;
    const head = `${command} ${keyText(key)} ${flags} ${exptime} ${data.length}${version}${replication}\r\n`;
    const bytes = concatBytes([fromLatin1(head), data, fromLatin1("\r\n")]);
    const { line } = await this.#request(bytes, ReplyShape.line);
    if (!STORE_RESULTS.includes(line)) throw refused(this.server, command, line);
    return line as StoreResult;
  }

  async #count(command: "incr" | "decr", key: Bytes, delta: Uint64): Promise<Uint64 | undefined> {
    if (!isUint64(delta)) throw wrongValue("delta", delta, uint64Field.allowedValue);
    const line = await this.line(`${command} ${keyText(key)} ${delta}`);
    if (line === "NOT_FOUND") return undefined;
    const value = parseUint64(fromLatin1(line), 0, line.length);
    if (value === undefined) throw refused(this.server, command, line);
    return value;
  }

  async #tell(command: string, words: readonly string[], expected: readonly string[]): Promise<string> {
    const line = await this.line([command, ...words].join(" "));
    if (!expected.includes(line)) throw refused(this.server, command, line);
    return line;
  }

  /** There may be no connection between two requests, so the timer keeps the process alive. `close` ends it. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#clock.clearTimer(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimer(end, delayMs, true);
      this.#pauses.add(end);
    });
  }

  #request(bytes: Uint8Array, shape: ReplyShape): Promise<ClientReply> {
    return this.#peer.request(bytes, shape);
  }
}

/** The bytes of a key or value. @throws FlareError INVALID_OPTION naming `what` if it has another type */
function toBytes(bytes: Bytes, what: string): Uint8Array {
  if (typeof bytes === "string") return UTF8.encode(bytes);
  if (isBytes(bytes)) return bytes;
  const help = typeof bytes === "number" || typeof bytes === "bigint" ? ": give String(…) of it" : "";
  throw new FlareError("INVALID_OPTION", `${what} ${shown(bytes)} is not a string or a Uint8Array${help}`);
}

/** Whether the text protocol can send a key to any server: it is not too long, and fits into a line. */
export function isClientKey(key: Uint8Array): boolean {
  return !isKeyTooLong(key.length, KEY_BYTES_MAX) && isTextKey(key);
}

function keyText(key: Bytes): string {
  const bytes = toBytes(key, "key");
  if (isClientKey(bytes)) return latin1(bytes);
  const shown = new TextDecoder().decode(bytes.subarray(0, 250));
  throw new FlareError(
    "INVALID_OPTION",
    `key "${shown}" must have 1 to ${KEY_BYTES_MAX} bytes without spaces, line ends and NUL`,
  );
}

function oneLine(command: string): string {
  if (!stringField.accepts(command)) throw wrongValue("a command", command, stringField.allowedValue);
  if (!/[\r\n]/.test(command)) return command;
  throw new FlareError("INVALID_OPTION", "a command must be one line");
}

function refused(server: string, command: string, line: string): FlareError {
  // A node in between only knows that it has forwarded the write.
  const isInDoubt = line.startsWith(IN_DOUBT) || line === PROXY_ERROR;
  const code = isInDoubt ? "IN_DOUBT" : "REFUSED";
  return new FlareError(code, `"${server}" answered "${line}" to "${command}"`);
}
