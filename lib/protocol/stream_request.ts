/**
 * The requests of the replication stream, which a master sends to its replicas: `stream` opens or resumes it on a connection,
 * each `block` carries records of the master's change log, and a `beacon` renews their leases. Their node prefix says who sends
 * them. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseWholeNumber } from "../base/whole_number.ts";
import { OUT_OF_MEMORY } from "./text/refusal_lines.ts";
import { serverErrorLine } from "./text/server_error.ts";

/** Opens a stream, or continues one that broke. */
export interface StreamRequest {
  /** The stream's name: the history of its master's log. */
  readonly id: string;
  /** The sequence of the next record; undefined = the stream begins with its first block. */
  readonly next: number | undefined;
}

/** What a `block` says of its data. */
export interface BlockRequest {
  readonly id: string;
  /** The master's node map. */
  readonly mapVersion: string;
  readonly firstSequence: number;
  readonly records: number;
  readonly salt: number;
  /** Every replica has the records up to this one. */
  readonly replicated: number;
}

/** What a `beacon` says. */
export interface BeaconRequest {
  readonly id: string;
  /** Grows with each beacon of a stream. */
  readonly number: number;
  /** The newest beacon to which the master has the answer, 0 = none. */
  readonly proved: number;
  /** How long the master relies on the answer; 0 = it is the master no more. */
  readonly masterMs: number;
  /** How long the replica may answer reads, counted from the receipt of the beacon that is proved; 0 = not at all. */
  readonly slaveMs: number;
  /** As in a block. */
  readonly replicated: number;
  /** The newest record that was sent before it, or preceded the stream; 0 = unknown. */
  readonly reached: number;
  /** How many partitions are active by the master's node map; 0 = it does not say. */
  readonly partitions: number;
}

/** The answer of a replica that follows, or has stored a block. */
export const STREAM_OK = "OK";
/** The answer of one that follows and has exactly what a position has: see `storage/log/positions.ts`. */
const FOLLOWS = /^OK ([0-9a-f]{16}) (\d{1,16})$/;
/** The answer to a stream that cannot be continued: the replica does not know it, or has missed a part of it. */
export const STREAM_LOST = "LOST";
/** Begins a passing refusal: the replica has another node map, lacks an earlier block, or got damaged bytes. */
const AGAIN = "AGAIN ";

/** A beacon has at least these numbers: earlier builds do not send how many partitions there are, later ones may say more. */
const BEACON_NUMBERS_MIN = 6;
const CRLF = fromLatin1("\r\n");
const NAME = /^[0-9a-f]{16}$/;

/** `<self>stream <id> [<next>]` */
export function encodeStream(selfKey: string, { id, next }: StreamRequest): Uint8Array {
  return fromLatin1(`<${selfKey}>stream ${id}${next === undefined ? "" : ` ${next}`}\r\n`);
}

/** The answer of a replica that follows; `position`: it has exactly that. */
export function followsLine(position?: { readonly history: string; readonly sequence: number }): string {
  return position === undefined ? STREAM_OK : `${STREAM_OK} ${position.history} ${position.sequence}`;
}

/** Parses the answer of a replica that follows from a position; undefined: another one. */
export function parseFollows(line: string): { readonly history: string; readonly sequence: number } | undefined {
  const [, history, sequence] = FOLLOWS.exec(line) ?? [];
  return history === undefined ? undefined : { history, sequence: Number(sequence) };
}

/** The words after `stream`; undefined = malformed. */
export function parseStream(words: readonly string[]): StreamRequest | undefined {
  const [id = "", nextText, ...others] = words;
  const next = parseWholeNumber(nextText, Number.MAX_SAFE_INTEGER);
  if (!NAME.test(id) || others.length > 0 || (nextText !== undefined && next === undefined)) return undefined;
  return { id, next };
}

/** `<self>block <id> <map version> <first sequence> <records> <salt> <replicated sequence> <bytes>` and the data. */
export function encodeBlock(selfKey: string, request: BlockRequest, data: Uint8Array): Uint8Array {
  const { id, mapVersion, firstSequence, records, salt, replicated } = request;
  const numbers = `${firstSequence} ${records} ${salt} ${replicated} ${data.length}`;
  const line = fromLatin1(`<${selfKey}>block ${id} ${mapVersion} ${numbers}\r\n`);
  const bytes = new Uint8Array(line.length + data.length + CRLF.length);
  bytes.set(line);
  bytes.set(data, line.length);
  bytes.set(CRLF, line.length + data.length);
  return bytes;
}

/** The words after `block`; undefined = malformed. */
export function parseBlock(words: readonly string[]): BlockRequest | undefined {
  const [id = "", mapVersion = "", ...numbers] = words.slice(0, -1);
  const parsed = numbers.map((text) => parseWholeNumber(text, Number.MAX_SAFE_INTEGER));
  const [firstSequence, records, salt, replicated] = parsed;
  if (firstSequence === undefined || records === undefined || salt === undefined || replicated === undefined) return undefined;
  return NAME.test(id) ? { id, mapVersion, firstSequence, records, salt, replicated } : undefined;
}

/** `<self>beacon <id> <number> <proved number> <master's ms> <slave's ms> <replicated> <reached> [<partitions>]` */
export function encodeBeacon(selfKey: string, request: BeaconRequest): Uint8Array {
  const { id, number, proved, masterMs, slaveMs, replicated, reached, partitions } = request;
  const numbers = [number, proved, masterMs, slaveMs, replicated, reached];
  if (partitions > 0) numbers.push(partitions);
  return fromLatin1(`<${selfKey}>beacon ${id} ${numbers.join(" ")}\r\n`);
}

/** The words after `beacon`; undefined = malformed. */
export function parseBeacon(words: readonly string[]): BeaconRequest | undefined {
  const [id = "", ...texts] = words;
  const numbers = texts.map((text) => parseWholeNumber(text, Number.MAX_SAFE_INTEGER));
  if (!NAME.test(id) || numbers.length < BEACON_NUMBERS_MIN || numbers.includes(undefined)) return undefined;
  const [number = 0, proved = 0, masterMs = 0, slaveMs = 0, replicated = 0, reached = 0, partitions = 0] = numbers;
  return { id, number, proved, masterMs, slaveMs, replicated, reached, partitions };
}

/** The node that sent a request: the last one of its prefix. */
export function senderOf(prefix: string | undefined): string | undefined {
  return prefix?.split(",").at(-1);
}

/** The line for a passing refusal. */
export function againLine(reason: string): string {
  return serverErrorLine(reason).replace(/^SERVER_ERROR /, AGAIN);
}

/** Whether the same request may be accepted later: a refusal of `againLine`, or a lack of memory for incomplete requests. */
export function isWorthRepeating(answer: string): boolean {
  return answer.startsWith(AGAIN) || answer === OUT_OF_MEMORY;
}
