/**
 * dump, dump_key and `node snapshot`: all items of this node, streamed in key order while it keeps serving. New replicas copy
 * by the first, and operators list by it; backups read the last one, which has the items and tombstones of one moment.
 */

import { base64 } from "../../base/base64.ts";
import { KIB } from "../../base/byte_units.ts";
import { concatBytes, fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { KeyResolver } from "../../cluster/key_resolver.ts";
import { NodeRole, NodeState, PARTITION_NONE } from "../../cluster/node.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { Command } from "../../protocol/command.ts";
import { DELETIONS } from "../../protocol/dump_parser.ts";
import { markWords } from "../../protocol/meta/meta_client.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine } from "../../protocol/text/server_error.ts";
import { isTextKey } from "../../protocol/text/text_key.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { BandwidthLimit } from "../../replication/bandwidth_limit.ts";
import type { Snapshot, StoredItem } from "../../storage/storage.ts";
import type { NodeComponents } from "../node_components.ts";
import { DumpMemory, type DumpPiece, type DumpTaker } from "./dump_memory.ts";

const SLICE_ITEMS_MAX = 500;
const SLICE_BYTES_MAX = 262144;
/** With a pause after every item, small slices keep the rate even. */
const PACED_SLICE_ITEMS_MAX = 10;
const CRLF = fromLatin1("\r\n");

/** What is streamed, piece by piece; none = the end. */
interface Source {
  next(itemsMax: number, bytesMax: number): Promise<StoredItem[]>;
  close(): Promise<void>;
}

interface DumpArguments {
  readonly waitUs: number;
  readonly partition: number;
  readonly partitionSize: number;
  readonly bytesPerSecond: number;
  /** Tombstones are wanted, too; a node that does not know them would take them for items. */
  readonly deletions: boolean;
}

/** A slice of a dump that was written to the reply. */
interface Slice extends DumpPiece {
  readonly items: number;
  /** How many of them are tombstones. */
  readonly tombstones: number;
  /** Items omitted because their keys do not fit into a line of text. */
  readonly unsayable: number;
}

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "inSync" | "keyHash" | "routing" | "runtime" | "storage" | "visibility">;

export class DumpCommands {
  readonly #parts: Parts;
  readonly #resolver: KeyResolver;
  readonly #memory: DumpMemory;

  constructor(parts: Parts, resolver: KeyResolver) {
    this.#parts = parts;
    this.#resolver = resolver;
    this.#memory = new DumpMemory(parts.runtime.clock);
  }

  /** Our own nodes send a prefix and understand base64 keys and marks; everybody else gets what fits into a line. */
  dump(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { command, words, prefix } = request;
    const given = command === Command.dump ? parseDump(words) : parseDump(["0", ...words]);
    if (given === undefined || given.partitionSize > this.#resolver.partitionCountMax) return reply.line("ERROR");
    if (given.deletions && prefix === undefined) return reply.line("ERROR");
    const taker = prefix?.split(",").at(-1);
    if (taker !== undefined && command === Command.dump) this.#parts.inSync.copyBegins(taker);
    const keysOnly = command === Command.dump_key;
    const encode = prefix !== undefined ? completeBlock : keysOnly ? keyLine : valueBlock;
    const cursor = this.#parts.storage.openCursor({
      includeExpired: keysOnly,
      includeTombstones: given.deletions,
      withoutValues: keysOnly,
    });
    return this.#stream(given, cursor, encode, reply, session, () => "END");
  }

  /** `node snapshot <partition>/<partitions> [<KiB/s>]`. */
  async snapshot(words: readonly string[], reply: TextReply, session: ClientSession): Promise<void> {
    const given = parseSnapshot(words);
    if (given === undefined || given.partitionSize > this.#resolver.partitionCountMax) return reply.line(BAD_LINE);
    let source: Snapshot;
    try {
      source = await this.#openSnapshot(given);
    } catch (error) {
      return reply.line(faultLine(error));
    }
    const { history, sequence } = source.position;
    const lastLine = (items: number, tombstones: number): string =>
      `END ${sequence} ${items} ${tombstones} ${history} ${source.momentMs}`;
    return this.#stream(given, source, completeBlock, reply, session, lastLine);
  }

  /** @throws FlareError REFUSED, retriable, if this is not the partition's master; and what `Storage.openSnapshot` throws */
  async #openSnapshot(given: DumpArguments): Promise<Snapshot> {
    const { storage, visibility } = this.#parts;
    this.#requireMaster(given);
    const snapshot = await storage.openSnapshot();
    try {
      // Nothing is in a backup that may still vanish, and a deposed master makes none.
      const fault = await visibility.settled();
      if (fault !== undefined) throw fault;
      this.#requireMaster(given);
      return snapshot;
    } catch (error) {
      await snapshot.close();
      throw error;
    }
  }

  #requireMaster({ partition, partitionSize }: DumpArguments): void {
    const { self, partitionMap } = this.#parts.routing;
    const isMaster = self?.role === NodeRole.master && self.state === NodeState.active && self.partition === partition;
    if (isMaster && partitionMap.active.length === partitionSize) return;
    const text = `this node is not the active master of partition ${partition} of ${partitionSize}`;
    throw new FlareError("REFUSED", text, { retriable: true });
  }

  async #stream(
    given: DumpArguments,
    source: Source,
    encode: (item: StoredItem) => Uint8Array,
    reply: TextReply,
    session: ClientSession,
    lastLine: (items: number, tombstones: number) => string,
  ): Promise<void> {
    const { runtime, storage } = this.#parts;
    let unsayable = 0;
    let items = 0;
    let tombstones = 0;
    const limit = new BandwidthLimit(runtime.clock, given.bytesPerSecond, given.waitUs);
    const forget = session.whenGone(() => limit.end());
    const taker: DumpTaker = {
      breakOff() {
        runtime.log.write(
          "warning",
          `the dump for "${session.peer}" is aborted: it reads too slowly, and others wait for its memory`,
        );
        session.kill();
      },
      whenGone: (listener) => session.whenGone(listener),
    };
    try {
      while (!session.gone) {
        const slice = await this.#memory.read(() => this.#write(source, given, encode, reply), taker);
        if (slice === undefined) {
          // Of an item whose newest change is in doubt the engine may have nothing, and so has the list.
          if (storage.failure !== undefined) return reply.line(faultLine(incomplete(storage.failure)));
          if (unsayable > 0)
            runtime.log.write("warning", `dump omitted ${unsayable} key(s) that do not fit into a line of text`);
          return reply.line(lastLine(items, tombstones));
        }
        await session.sent(reply.segment);
        this.#memory.release(slice);
        unsayable += slice.unsayable;
        tombstones += slice.tombstones;
        items += slice.items - slice.tombstones;
        await limit.spend(slice.byteLength, slice.items);
      }
    } catch (error) {
      reply.line(faultLine(error));
    } finally {
      forget();
      await source.close();
    }
  }

  /** Writes the next slice to the reply; undefined = the end. */
  async #write(
    source: Source,
    given: DumpArguments,
    encode: (item: StoredItem) => Uint8Array,
    reply: TextReply,
  ): Promise<Slice | undefined> {
    const items = await source.next(given.waitUs > 0 ? PACED_SLICE_ITEMS_MAX : SLICE_ITEMS_MAX, SLICE_BYTES_MAX);
    if (items.length === 0) return undefined;
    const mine = items.filter((item) => this.#belongs(item.key, given));
    const wanted = encode === completeBlock ? mine : mine.filter(({ key }) => isTextKey(key));
    const bytes = concatBytes(wanted.map(encode));
    reply.raw(bytes);
    const tombstones = wanted.filter(({ tombstone }) => tombstone).length;
    return { byteLength: bytes.length, items: wanted.length, tombstones, unsayable: mine.length - wanted.length };
  }

  /**
   * Flare differs: the original also sends keys that have moved away; a new partition then got keys back that their current
   * owner had deleted.
   */
  #belongs(key: Uint8Array, given: DumpArguments): boolean {
    if (given.partition < 0) return true;
    const { routing, keyHash } = this.#parts;
    const hash = keyHash(key, 0, key.length);
    if (this.#resolver.resolve(hash, given.partitionSize) !== given.partition) return false;
    const own = routing.self?.partition ?? PARTITION_NONE;
    const count = routing.partitionMap.active.length;
    return own < 0 || own >= count || own === given.partition || this.#resolver.resolve(hash, count) === own;
  }
}

function keyLine(item: StoredItem): Uint8Array {
  return concatBytes([fromLatin1("KEY "), item.key, CRLF]);
}

function valueBlock(item: StoredItem): Uint8Array {
  const numbers = ` ${item.flags} ${item.value.length} ${item.version} ${item.expire}\r\n`;
  return concatBytes([fromLatin1("VALUE "), item.key, fromLatin1(numbers), item.value, CRLF]);
}

/** After the numbers come `b` for a key in base64, the marks of the item, and `D` for a tombstone. */
function completeBlock(item: StoredItem): Uint8Array {
  const sayable = isTextKey(item.key);
  if (sayable && item.marks === 0 && !item.tombstone) return valueBlock(item);
  const key = sayable ? latin1(item.key) : base64(item.key);
  const words = `${sayable ? "" : " b"}${markWords(item.marks)}${item.tombstone ? " D" : ""}`;
  const head = `VALUE ${key} ${item.flags} ${item.value.length} ${item.version} ${item.expire}${words}\r\n`;
  return concatBytes([fromLatin1(head), item.value, CRLF]);
}

/**
 * `[<wait_us> [<partition> <partition_size> [<bwlimit_KBps> [deletions]]]]`; a first word that is not a number counts as no
 * arguments, as in the original. Undefined = malformed.
 */
function parseDump(given: readonly string[]): DumpArguments | undefined {
  const everything = { waitUs: 0, partition: -1, partitionSize: 0, bytesPerSecond: 0, deletions: false };
  if (given.length === 0 || !/^[-\d]/.test(given[0] as string)) return everything;
  const deletions = given.length === 5 && given[4] === DELETIONS;
  const words = deletions ? given.slice(0, 4) : given;
  if (words.length > 4 || words.some((word) => !/^-?\d{1,10}$/.test(word))) return undefined;
  const [waitUs, partition = -1, partitionSize = 0, kibPerSecond = 0] = words.map(Number);
  if (waitUs === undefined || waitUs < 0 || kibPerSecond < 0 || partition < -1) return undefined;
  if (partition >= 0 ? partitionSize <= partition : partitionSize !== 0) return undefined;
  return { waitUs, partition, partitionSize, bytesPerSecond: kibPerSecond * KIB, deletions };
}

/** `<partition>/<partitions> [<KiB/s>]`; undefined = malformed. */
function parseSnapshot(words: readonly string[]): DumpArguments | undefined {
  const [, partitionText, countText] = /^(\d{1,5})\/(\d{1,5})$/.exec(words[0] ?? "") ?? [];
  const [partition, partitionSize] = [Number(partitionText), Number(countText)];
  const [, limit = "0", ...rest] = words;
  if (!(partition < partitionSize) || !/^\d{1,10}$/.test(limit) || rest.length > 0) return undefined;
  return { waitUs: 0, partition, partitionSize, bytesPerSecond: Number(limit) * KIB, deletions: true };
}

/** Why a list does not end as it should. */
function incomplete(failure: FlareError): FlareError {
  return new FlareError("IO_ERROR", `items may be missing here until a restart: ${failure.message}`, { cause: failure });
}
