/**
 * How a slave that was away returns without a copy: it asks its master from which record of the master's log on it lacks
 * something, and follows from there. What only this node has changed since then (a former master's last writes) the master
 * writes once more, so that it arrives in order with everything else. Whether that is possible the master says; nothing here is
 * dropped.
 */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { digestOf } from "../item/item_digest.ts";
import type { Peer } from "../net/peer/peer.ts";
import { type ChangedKey, COPY, encodeRejoin, encodeRewrite, parseRejoinLine, type RejoinAnswer } from "../protocol/rejoin.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import type { Log } from "../runtime/runtime.ts";
import { readBlock } from "../storage/log/log_block.ts";
import { FLUSHED, LogKind } from "../storage/log/log_record.ts";
import type { CommonState, Storage } from "../storage/storage.ts";
import type { Follower } from "./stream/follower.ts";

/** What it needs. */
export interface RejoinParts {
  readonly storage: Storage;
  readonly follower: Pick<Follower, "decided" | "expect" | "undecided">;
  readonly log: Log;
  readonly self: HostPort;
  /** A connection to the master. */
  readonly peer: Peer;
  /** The master's `host:port`. */
  readonly master: string;
  readonly partition: number;
  readonly partitionSize: number;
  /** Checks that the master has this node's data, before what only this node has changed is given up. @throws FlareError */
  checkSource(): Promise<void>;
}

/** More changed keys than this are not worth it: the partition is copied. */
const CHANGED_KEYS_MAX = 10_000;
const READ_BYTES = 1 << 20;
/** Of one `node rewrite`. */
const REWRITE_KEYS_MAX = 50;
const REWRITE_BYTES_MAX = 4096;

/**
 * Resolves to whether this node follows its master's log now, without a copy.
 * @throws FlareError CONNECTION_FAILED | TIMED_OUT, or REFUSED, retriable, if the master cannot answer now, or not, if it has
 * less data than this node; the follower is still undecided then
 */
export async function rejoin(parts: RejoinParts): Promise<boolean> {
  const { follower, log, storage } = parts;
  // What it applies before it is known where it continues would only be in the way.
  follower.undecided();
  const answer = await ask(parts);
  const common = answer === undefined ? undefined : storage.commonState([answer]);
  const changed = common === undefined ? undefined : await changedKeys(storage, common);
  if (answer === undefined || changed === undefined) {
    follower.decided();
    return false;
  }
  if (changed.length > 0) await parts.checkSource();
  follower.expect(parts.master, answer.id, answer.next, changed.length === 0);
  const also = changed.length === 0 ? "" : `; it writes ${changed.length} key(s) once more that only this node has changed`;
  log.write("notice", `continuing with record ${answer.next} of the log of "${parts.master}", without a copy${also}`);
  await rewrite(parts, changed);
  return true;
}

async function ask({ log, master, peer, self, storage }: RejoinParts): Promise<RejoinAnswer | undefined> {
  const { positions } = storage;
  const { line } = await peer.request(encodeRejoin({ host: self.host, port: String(self.port), positions }), ReplyShape.line);
  const answer = parseRejoinLine(line);
  if (answer !== undefined) return answer;
  if (line.startsWith("SERVER_ERROR")) {
    throw new FlareError("REFUSED", `master "${master}" answered "${line}"`, { retriable: true });
  }
  // The original, and 2.0.0, do not know the question.
  if (line.startsWith(COPY)) log.write("notice", `master "${master}" answered "${line}"`);
  return undefined;
}

/** What was changed here after a state; undefined if that is not known, or too much. */
async function changedKeys(storage: Storage, { at }: CommonState): Promise<readonly ChangedKey[] | undefined> {
  await new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
  const { lastSequence } = storage;
  const changed = new Map<string, ChangedKey>();
  const cursor = storage.readLog(at + 1);
  if (!cursor.isThere) return undefined;
  let isFlushed = false;
  try {
    for (let block = await cursor.read(lastSequence, READ_BYTES); block !== undefined; ) {
      readBlock(block, (reader) => {
        // What was dropped is not in the log.
        isFlushed ||= reader.kind === LogKind.state && reader.flags === FLUSHED;
        if (reader.kind === LogKind.state) return;
        const { bytes, keyStart, valueStart, valueEnd, flags, expire, version, marks } = reader;
        const key = bytes.slice(keyStart, reader.keyEnd);
        const value = bytes.subarray(valueStart, valueEnd);
        const digest = reader.kind === LogKind.delete ? undefined : digestOf({ key, value, flags, expire, version, marks });
        changed.set(latin1(key), { key, digest });
      });
      if (isFlushed || changed.size > CHANGED_KEYS_MAX) return undefined;
      block = await cursor.read(lastSequence, READ_BYTES);
    }
  } catch (error) {
    // Damaged, or removed in the meantime.
    if (!(error instanceof FlareError)) throw error;
    return undefined;
  }
  return [...changed.values()];
}

async function rewrite({ master, partition, partitionSize, peer }: RejoinParts, changed: readonly ChangedKey[]): Promise<void> {
  for (const keys of groups(changed)) {
    const { line } = await peer.request(encodeRewrite({ partition, count: partitionSize, keys }), ReplyShape.line);
    if (line !== "OK") throw new FlareError("REFUSED", `master "${master}" answered "${line}"`, { retriable: true });
  }
}

function* groups(keys: readonly ChangedKey[]): Generator<ChangedKey[]> {
  let group: ChangedKey[] = [];
  let bytes = 0;
  for (const changed of keys) {
    if (group.length === REWRITE_KEYS_MAX || (group.length > 0 && bytes + changed.key.length > REWRITE_BYTES_MAX)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(changed);
    bytes += changed.key.length;
  }
  if (group.length > 0) yield group;
}
