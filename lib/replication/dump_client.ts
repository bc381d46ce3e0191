/**
 * Copies from one other node: requests a dump and stores the items and deletions that are newer than what is here, so that the
 * versions of a deleted key go on. A node that knows no deletions in a dump is asked for the items alone. Reads no faster than
 * the storage can store, and ends with the dump or with an error.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { formatHostPort } from "../base/host_port.ts";
import { emptyTerms, type Mutation, MutationKind, MutationResult } from "../item/mutation.ts";
import { isThere } from "../net/peer/presence.ts";
import type { TlsLink } from "../net/tls/tls_link.ts";
import { DELETIONS, DumpParser } from "../protocol/dump_parser.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../runtime/runtime.ts";
import type { Storage } from "../storage/storage.ts";

export interface DumpRequest {
  readonly host: string;
  readonly port: number;
  /** The arguments of `dump`. */
  readonly intervalUs: number;
  readonly partition: number;
  readonly partitionSize: number;
  /** 0 = no limit. */
  readonly kibPerSecond: number;
  readonly connectTimeoutMs: number;
  /** Absent: a plain connection. */
  readonly tls?: TlsLink | undefined;
  /** How long the other side may be silent … */
  readonly silenceMs: number;
  /** … if it answers a probe on another connection after half of this time; see `PeerOptions`. */
  readonly silenceTimeoutMs: number;
  readonly valueBytesMax: number;
  /** Our own `host:port`. */
  readonly selfKey: string;
  /** Called when the source is reachable, before anything is requested. */
  readonly onReachable: () => void;
}

/** How the answer begins of a node that knows no deletions in a dump. */
const UNKNOWN = /^(CLIENT_)?ERROR/;

/** How far a copy is. */
export interface DumpProgress {
  items: number;
  bytes: number;
}

export class DumpClient implements ConnectionHandler {
  readonly progress: DumpProgress = { items: 0, bytes: 0 };
  readonly #runtime: Runtime;
  readonly #storage: Storage;
  readonly #request: DumpRequest;
  #parser: DumpParser;
  readonly #mutation: Mutation;
  /** Of items with marks. */
  readonly #terms = emptyTerms();
  #connection: Connection | undefined;
  /** Deletions are asked for. */
  #wantsDeletions = true;
  #busy = false;
  #settled = false;
  #timer: Timer | undefined;
  #heardMs = 0;
  /** Of the storage, when the copy began. */
  #rollbacks = 0;
  #resolve: () => void = () => undefined;
  #reject: (error: FlareError) => void = () => undefined;

  constructor(runtime: Runtime, storage: Storage, request: DumpRequest) {
    this.#runtime = runtime;
    this.#storage = storage;
    this.#request = request;
    this.#parser = new DumpParser(request.valueBytesMax);
    const none = this.#parser.item.bytes;
    this.#mutation = {
      kind: MutationKind.restore,
      key: { bytes: none, start: 0, end: 0 },
      flags: 0,
      expire: 0,
      version: 0,
      value: none,
      valueStart: 0,
      valueEnd: 0,
      delta: 0,
    };
  }

  /** Resolves when everything is stored. @throws FlareError CONNECTION_FAILED | REFUSED | CORRUPT | IO_ERROR */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const { host, port, connectTimeoutMs, tls } = this.#request;
      this.#heardMs = this.#runtime.clock.monotonicMs();
      this.#rollbacks = this.#storage.rollbacks;
      this.#connection = this.#runtime.transport.connect({ host, port }, connectTimeoutMs, this, { tls: tls?.client });
      this.#watch();
    });
  }

  abort(): void {
    this.#fail(new FlareError("CLOSED", "copy was stopped"));
  }

  onOpen(): void {
    try {
      this.#request.onReachable();
    } catch (error) {
      // The storage accepts nothing more, so a copy is pointless.
      return this.#fail(error as FlareError);
    }
    this.#ask();
  }

  #ask(): void {
    const { intervalUs, partition, partitionSize, kibPerSecond, selfKey } = this.#request;
    const limit = this.#wantsDeletions ? ` ${kibPerSecond} ${DELETIONS}` : kibPerSecond > 0 ? ` ${kibPerSecond}` : "";
    // The prefix says that the client is a node that understands base64 keys and marks; the C++ Flare ignores it.
    this.#connection?.write(fromLatin1(`<${selfKey}>dump ${intervalUs} ${partition} ${partitionSize}${limit}\r\n`));
  }

  onData(chunk: Uint8Array): void {
    this.#heardMs = this.#runtime.clock.monotonicMs();
    this.progress.bytes += chunk.length;
    this.#parser.push(chunk);
    if (!this.#busy) this.#store();
  }

  onDrain(): void {}

  onEnd(): void {
    if (!this.#busy)
      this.#fail(new FlareError("CONNECTION_FAILED", `dump from "${this.#name}" ended early`, { retriable: true }));
  }

  onClose(error?: Error): void {
    const text = `dump from "${this.#name}" broke${error === undefined ? "" : `: ${error.message}`}`;
    this.#fail(new FlareError("CONNECTION_FAILED", text, { retriable: true, cause: error }));
  }

  get #name(): string {
    return formatHostPort(this.#request.host, this.#request.port);
  }

  /** Stores the complete items; pauses reading while the storage has no room. */
  #store(): void {
    for (;;) {
      const what = this.#parser.next();
      if (what === "more") return;
      if (what === "end") return this.#finish();
      if (what === "bad") return this.#fail(new FlareError("CORRUPT", `"${this.#name}" sent a malformed dump`));
      const { item } = this.#parser;
      Object.assign(this.#mutation.key, { bytes: item.bytes, start: item.keyStart, end: item.keyEnd });
      Object.assign(this.#mutation, {
        kind: item.tombstone ? MutationKind.delete : MutationKind.restore,
        flags: item.flags,
        expire: item.expire,
        version: item.version,
        value: item.bytes,
        valueStart: item.valueStart,
        valueEnd: item.valueEnd,
        terms: item.marks === 0 ? undefined : this.#terms,
      });
      this.#terms.marks = item.marks;
      if (!item.tombstone) this.progress.items++;
      const applied = this.#storage.apply(this.#mutation, Math.floor(this.#runtime.clock.nowMs() / 1000));
      if (applied instanceof Promise) {
        this.#busy = true;
        this.#connection?.pause();
        applied.then(
          (late) => this.#goOn(late.result === MutationResult.failed ? late.error : ""),
          (error: Error) => this.#goOn(error.message),
        );
        return;
      }
      if (applied.result === MutationResult.failed) return this.#goOn(applied.error);
    }
  }

  #goOn(error: string): void {
    this.#busy = false;
    if (error !== "") return this.#fail(new FlareError("IO_ERROR", `cannot store the copy: ${error}`));
    this.#connection?.resume();
    this.#store();
  }

  #finish(): void {
    const { lastLine } = this.#parser;
    if (this.#wantsDeletions && UNKNOWN.test(lastLine)) {
      this.#wantsDeletions = false;
      this.#parser = new DumpParser(this.#request.valueBytesMax);
      return this.#ask();
    }
    if (lastLine !== "END") {
      return this.#fail(new FlareError("REFUSED", `"${this.#name}" answered "${lastLine}" to dump`, { retriable: true }));
    }
    this.#settle();
    this.#storage.onCommit({
      onCommitted: (error) => {
        if (error !== undefined) return this.#reject(error);
        if (this.#storage.rollbacks === this.#rollbacks) return this.#resolve();
        const text = "cannot store the copy: items were rolled back because they could not be appended to the change log";
        this.#reject(new FlareError("IO_ERROR", text, { retriable: true }));
      },
    });
  }

  #fail(error: FlareError): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#connection?.destroy();
  }

  #watch(): void {
    this.#timer = this.#runtime.clock.setTimer(() => {
      const { silenceMs, silenceTimeoutMs } = this.#request;
      if (this.#busy) return this.#watch();
      if (this.#silentMs >= silenceMs) return this.#giveUp();
      if (this.#silentMs >= silenceTimeoutMs / 2) void this.#askWhetherThere(silenceTimeoutMs / 2);
      else this.#watch();
    }, this.#request.silenceTimeoutMs / 2);
  }

  /** Tells a source with little to send from one that is gone. */
  async #askWhetherThere(timeoutMs: number): Promise<void> {
    const heardMs = this.#heardMs;
    const there = await isThere(this.#runtime, this.#request, timeoutMs, this.#request.tls);
    if (this.#settled) return;
    if (!there && heardMs === this.#heardMs) this.#giveUp();
    else this.#watch();
  }

  get #silentMs(): number {
    return this.#runtime.clock.monotonicMs() - this.#heardMs;
  }

  #giveUp(): void {
    const text = `"${this.#name}" sent nothing for ${Math.round(this.#silentMs)} ms`;
    this.#fail(new FlareError("TIMED_OUT", text, { retriable: true }));
  }
}
