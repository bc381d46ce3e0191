/**
 * dump and dump_key: everything this node holds, streamed in key order while it goes on serving. It is what another
 * node copies from when it becomes a replica, and what an operator's backup reads.
 */

import { concatBytes, fromLatin1 } from "../base/bytes.ts";
import type { Session } from "../net/session.ts";
import type { KeyResolver } from "../partition/key_resolver.ts";
import { Command } from "../protocol/command.ts";
import type { TextReply } from "../protocol/text_reply.ts";
import { BandwidthLimit } from "../replication/bandwidth_limit.ts";
import type { StoredItem } from "../storage/storage.ts";
import type { NodeContext } from "./node_context.ts";

const SLICE_ITEMS_MAX = 500;
const SLICE_BYTES_MAX = 262144;
/** With a pause after every item, slices of one keep the pace even. */
const PACED_SLICE_ITEMS_MAX = 10;
const CRLF = fromLatin1("\r\n");

interface DumpArguments {
  readonly waitUs: number;
  readonly partition: number;
  readonly partitionSize: number;
  readonly bytesPerSecond: number;
}

export class DumpCommands {
  readonly #context: NodeContext;
  readonly #resolver: KeyResolver;

  constructor(context: NodeContext, resolver: KeyResolver) {
    this.#context = context;
    this.#resolver = resolver;
  }

  dump(command: Command, words: readonly string[], reply: TextReply, session: Session): void | Promise<void> {
    const given = command === Command.dump ? parseDump(words) : parseDump(["0", ...words]);
    if (given === undefined || given.partitionSize > this.#resolver.partitionCountMax) return reply.line("ERROR");
    return this.#stream(given, command === Command.dump_key, reply, session);
  }

  async #stream(given: DumpArguments, keysOnly: boolean, reply: TextReply, session: Session): Promise<void> {
    const { storage, runtime } = this.#context;
    const limit = new BandwidthLimit(runtime.clock, given.bytesPerSecond, given.waitUs);
    const cursor = storage.openCursor({ includeExpired: keysOnly });
    const itemsMax = given.waitUs > 0 ? PACED_SLICE_ITEMS_MAX : SLICE_ITEMS_MAX;
    try {
      while (!session.gone) {
        const items = await cursor.next(itemsMax, SLICE_BYTES_MAX);
        if (items.length === 0) return reply.end();
        const wanted = items.filter((item) => this.#belongs(item.key, given));
        const bytes = concatBytes(wanted.map(keysOnly ? keyLine : valueBlock));
        reply.raw(bytes);
        await limit.spend(bytes.length, wanted.length);
        // What is written so far goes out even while later slices are still to come.
        session.makeRoom();
        await session.roomInOutput();
      }
    } catch (error) {
      reply.line(`SERVER_ERROR ${(error as Error).message}`);
    } finally {
      await cursor.close();
    }
  }

  #belongs(key: Uint8Array, given: DumpArguments): boolean {
    if (given.partition < 0) return true;
    return this.#resolver.resolve(this.#context.keyHash(key, 0, key.length), given.partitionSize) === given.partition;
  }
}

function keyLine(item: StoredItem): Uint8Array {
  return concatBytes([fromLatin1("KEY "), item.key, CRLF]);
}

function valueBlock(item: StoredItem): Uint8Array {
  const numbers = ` ${item.flags} ${item.value.length} ${item.version} ${item.expire}\r\n`;
  return concatBytes([fromLatin1("VALUE "), item.key, fromLatin1(numbers), item.value, CRLF]);
}

/**
 * `[<wait_us> [<partition> <partition_size> [<bwlimit_KBps>]]]`; a first word that is no number counts as no
 * arguments at all, as in the original. Undefined = malformed.
 */
function parseDump(words: readonly string[]): DumpArguments | undefined {
  const everything = { waitUs: 0, partition: -1, partitionSize: 0, bytesPerSecond: 0 };
  if (words.length === 0 || !/^[-\d]/.test(words[0] as string)) return everything;
  if (words.length > 4 || words.some((word) => !/^-?\d{1,10}$/.test(word))) return undefined;
  const [waitUs, partition = -1, partitionSize = 0, kibPerSecond = 0] = words.map(Number);
  if (waitUs === undefined || waitUs < 0 || kibPerSecond < 0 || partition < -1) return undefined;
  if (partition >= 0 ? partitionSize <= partition : partitionSize !== 0) return undefined;
  return { waitUs, partition, partitionSize, bytesPerSecond: kibPerSecond * 1024 };
}
