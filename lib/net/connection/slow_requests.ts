/**
 * Requests for items that took longer than a threshold: counted by command, the newest ones kept. What is executed at once is
 * measured with its whole chunk, by one look at the clock after it: if that took long, its last request stands for all of them,
 * without a key if there are several. A request that waits takes a note along with when it came and what it is; notes are
 * reused.
 */

import { latin1 } from "../../base/bytes.ts";
import { copyBytes } from "../../base/copy_bytes.ts";
import { escapeControls } from "../../base/escape_controls.ts";
import { PacedLog } from "../../base/paced_log.ts";
import { Command, CommandShape, commandName, shapeOf } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** How much of a key is kept. */
export const SLOW_KEY_BYTES_MAX = 250;
/** Notes kept for the next requests; more are only used while more requests wait. */
const SPARES_MAX = 4096;
const SMALL_KEY_BYTES = 64;
/** One line of the log in this time, in milliseconds. */
const LOG_MS = 1000;
const SPACE = 0x20;

/** How many slow requests are kept, and which ones are slow. */
export interface SlowLimits {
  /** A request that took this long, or longer, is slow; 0 = none is. */
  readonly slowLogMs: number;
  /** How many of them are kept; 0 = they are only counted. */
  readonly slowLogSize: number;
}

/** What requests wait for, besides other nodes, whose names have a colon. */
export const WaitedFor = {
  /** For the engine, or for room in memory. */
  storage: "storage",
  /** For the change log to take a write, and with `fsync = always` to sync it. */
  commit: "commit",
  /** For the slaves to have a write. */
  replicas: "replicas",
  /** For nodes, several ones or first of all for the way to one. */
  nodes: "nodes",
  /** For an earlier write to be safe, for the newest node map, or to be sure of being the master still. */
  certainty: "certainty",
  /** For a slave that takes over. */
  handover: "handover",
  /** For keys that move to a new partition. */
  takeover: "takeover",
  /** For a flush. */
  flush: "flush",
  /** For the client to read earlier replies. */
  client: "client",
} as const;

/** Who sent a request. */
export interface SlowClient {
  readonly peer: string;
  readonly isNode: boolean;
}

/** A request that took long. */
export interface SlowRequest {
  /** The numbers increase by 1, from 1 on. */
  readonly id: number;
  /** The wall clock when it was done, in milliseconds since 1970. */
  readonly atMs: number;
  /** From the arrival of its last bytes until its reply was complete. */
  readonly ms: number;
  readonly client: string;
  /** Whether the client is another node, which has passed it on. */
  readonly isOfNode: boolean;
  readonly command: string;
  /** Requests that arrived with it and took this long together, itself included. */
  readonly requests: number;
  /** Its key, the first one if it has several, or the first 250 bytes; undefined if it is one of several requests. */
  readonly key: Uint8Array | undefined;
  /** The length of the whole key; 0 without one. */
  readonly keyBytes: number;
  /** Bytes of the value it brought; undefined if it brought none. */
  readonly bytes: number | undefined;
  /** What it waited for: a word, or `host:port` of the node it was passed on to; undefined: it did not wait. */
  readonly waitedFor: string | undefined;
}

/** What a waiting request takes along. */
export class SlowNote {
  sinceMs = 0;
  client = "";
  isOfNode = false;
  command: Command = Command.get;
  requests = 0;
  keyLength = 0;
  keyBytes = 0;
  key = new Uint8Array(SMALL_KEY_BYTES);
  bytes: number | undefined = undefined;
  waitsFor: string | undefined = undefined;
  /** When the own change log had it, if it waited for replicas then; 0 = it did not. */
  storedMs = 0;
}

export class SlowRequests {
  /** Slow requests since the start, or `clear`. */
  count = 0;
  readonly #runtime: Pick<Runtime, "clock" | "log">;
  readonly #log: PacedLog;
  readonly #spares: SlowNote[] = [];
  readonly #byCommand = new Map<Command, number>();
  #newest: SlowRequest[] = [];
  #id = 0;
  #limits: SlowLimits;

  constructor(runtime: Pick<Runtime, "clock" | "log">, limits: SlowLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
    this.#log = new PacedLog(runtime, "warning", LOG_MS);
  }

  get limits(): SlowLimits {
    return this.#limits;
  }

  /** Applies other limits from now on. */
  set limits(limits: SlowLimits) {
    this.#limits = limits;
    this.#shorten();
  }

  /** Whether requests of a command are measured at all. */
  measures(command: Command): boolean {
    return this.#limits.slowLogMs > 0 && (isForItems[command] as boolean);
  }

  /** The kept ones, oldest first. */
  get newest(): readonly SlowRequest[] {
    return this.#newest;
  }

  /** How many there have been since the start, by command. */
  get byCommand(): ReadonlyMap<Command, number> {
    return this.#byCommand;
  }

  clear(): void {
    this.#newest = [];
    this.count = 0;
  }

  /**
   * The note of a request that waits, for `done`; undefined if it is not measured.
   * @param sinceMs when it came, by the monotonic clock
   * @param requests how many it stands for, itself included
   */
  note(request: Request, client: SlowClient, sinceMs: number, requests: number): SlowNote | undefined {
    if (!this.measures(request.command)) return undefined;
    const note = this.#spares.pop() ?? new SlowNote();
    this.#fill(note, request, client, sinceMs, requests);
    return note;
  }

  /** A request with a note has its answer. */
  done(note: SlowNote): void {
    this.#judge(note);
    if (this.#spares.length < SPARES_MAX) this.#spares.push(note);
  }

  /** Requests were executed at once, of which this is the last one. */
  executed(request: Request, client: SlowClient, sinceMs: number, requests: number): void {
    if (!this.measures(request.command)) return;
    if (this.#runtime.clock.monotonicMs() - sinceMs < this.#limits.slowLogMs) return;
    const note = new SlowNote();
    this.#fill(note, request, client, sinceMs, requests);
    this.#judge(note);
  }

  #fill(note: SlowNote, request: Request, client: SlowClient, sinceMs: number, requests: number): void {
    note.sinceMs = sinceMs;
    note.client = client.peer;
    note.isOfNode = client.isNode;
    note.command = request.command;
    note.requests = requests;
    note.waitsFor = request.waitsFor;
    note.storedMs = 0;
    const shape = shapeOf(request.command);
    const { mutation } = request;
    note.bytes = hasValue(shape) ? mutation.valueEnd - mutation.valueStart : undefined;
    note.keyBytes = 0;
    note.keyLength = 0;
    if (requests !== 1 || shape === CommandShape.words) return;
    if (shape !== CommandShape.retrieval && shape !== CommandShape.touchRetrieval) {
      const { bytes, start, end } = mutation.key;
      return keepKey(note, bytes, start, end);
    }
    const { bytes, keysEnd } = request;
    let start = request.keysStart;
    while (start < keysEnd && bytes[start] === SPACE) start++;
    let end = start;
    while (end < keysEnd && bytes[end] !== SPACE) end++;
    keepKey(note, bytes, start, end);
  }

  #judge(note: SlowNote): void {
    const { clock } = this.#runtime;
    const ms = clock.monotonicMs() - note.sinceMs;
    const { slowLogMs, slowLogSize } = this.#limits;
    if (slowLogMs === 0 || ms < slowLogMs) return;
    this.count++;
    this.#byCommand.set(note.command, (this.#byCommand.get(note.command) ?? 0) + 1);
    const { client, isOfNode, requests, keyBytes, bytes } = note;
    const slow: SlowRequest = {
      id: ++this.#id,
      atMs: clock.nowMs(),
      ms,
      client,
      isOfNode,
      command: commandName(note.command),
      requests,
      key: keyBytes === 0 ? undefined : note.key.slice(0, note.keyLength),
      keyBytes,
      bytes,
      // What took more than half of the time.
      waitedFor: note.storedMs > 0 && note.storedMs - note.sinceMs < ms / 2 ? WaitedFor.replicas : note.waitsFor,
    };
    this.#log.write(slowText(slow));
    if (slowLogSize === 0) return;
    this.#newest.push(slow);
    this.#shorten();
  }

  #shorten(): void {
    const surplus = this.#newest.length - this.#limits.slowLogSize;
    if (surplus > 0) this.#newest.splice(0, surplus);
  }
}

/** A slow request as a line of the log. */
export function slowText({ client, command, key, keyBytes, ms, requests, waitedFor }: SlowRequest): string {
  const rest = key !== undefined && keyBytes > key.length ? ` (the first ${key.length} of ${keyBytes} bytes)` : "";
  const what = key === undefined ? `"${command}"` : `"${command}" of key "${escapeControls(latin1(key))}"${rest}`;
  const others = requests === 1 ? "" : `, the last of "${requests}" requests that came together,`;
  const wait = waitedFor === undefined ? "" : `, it waited for ${waitedText(waitedFor)}`;
  return `slow request: ${what}${others} from "${client}" took "${Math.round(ms)}" ms${wait} (slow-log-ms)`;
}

function waitedText(waitedFor: string): string {
  return waitedFor.includes(":") ? `node "${waitedFor}"` : `"${waitedFor}"`;
}

function keepKey(note: SlowNote, bytes: Uint8Array, start: number, end: number): void {
  const length = Math.min(end - start, SLOW_KEY_BYTES_MAX);
  if (length > note.key.length) note.key = new Uint8Array(SLOW_KEY_BYTES_MAX);
  copyBytes(note.key, 0, bytes, start, start + length);
  note.keyLength = length;
  note.keyBytes = end - start;
}

function hasValue(shape: CommandShape): boolean {
  return shape === CommandShape.storage || shape === CommandShape.metaStorage;
}

/** Commands without a key that are measured, too: others take long on purpose, or are between nodes. */
const WITHOUT_KEY: ReadonlySet<Command> = new Set([Command.scan, Command.keys, Command.flush_all]);

/** By the number of a command. */
const isForItems: readonly boolean[] = Object.values(Command).map((command) => {
  const shape = shapeOf(command);
  return WITHOUT_KEY.has(command) || (shape !== CommandShape.words && shape !== CommandShape.block);
});

/** The commands that are measured. */
export const MEASURED_COMMANDS: readonly Command[] = Object.values(Command).filter((command) => isForItems[command]);
