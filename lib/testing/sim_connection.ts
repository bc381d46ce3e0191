/**
 * A TCP-like connection between two simulated processes: two pipes of bytes, each in order and with limited buffers, cut into
 * pieces and delayed at random. It uses every freedom of the `Connection` contract: a chunk's memory is overwritten after
 * `onData`, memory kept after `write` returned `false` is read late, so that violations of the contract are detected. Knows
 * hosts and links, not what the bytes mean.
 */

import { FlareError } from "../base/errors.ts";
import type { Connection, ConnectionHandler } from "../runtime/runtime.ts";
import { CLOSE_MS, LINGER_MS } from "../runtime/sockets/socket_limits.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_process.ts";

interface Segment {
  readonly bytes: Uint8Array;
  readonly arrivesUs: number;
}

const NOTHING = new Uint8Array(0);
const GARBAGE = 0xee;
/** Between a read that did not take everything and the next one. */
const NEXT_READ_US = 20;

/** One end. */
export class SimConnection implements Connection {
  readonly peer: string;
  readonly process: SimProcess;
  /** The network has taken the attempt to connect to where it leads. */
  knocked = false;
  readonly #network: SimNetwork;
  /** Set right after both ends exist. */
  #other: SimConnection | undefined;
  #handler: ConnectionHandler | undefined;
  #open = false;
  /** The handler wants no more events but `onClose`. */
  #closing = false;
  #ended = false;
  /** `onClose` has been called, or never will be. */
  #gone = false;
  #paused = false;

  // Sending: what the buffers took and the other end has not read, what they could not take, and the FIN behind it.
  readonly #capacity: number;
  #buffered = 0;
  #unsent: Uint8Array = NOTHING;
  #drainOwed = false;
  #finSent = false;
  /** How many more it can carry before it breaks. */
  #bytesLeft = Number.POSITIVE_INFINITY;

  // Receiving: segments on their way or here.
  readonly #segments: Segment[] = [];
  #lastArrivalUs = 0;
  #arrivalScheduled = false;
  #readScheduled = false;
  #finReceived = false;

  constructor(network: SimNetwork, process: SimProcess, peer: string, handler: ConnectionHandler | undefined) {
    this.#network = network;
    this.process = process;
    this.peer = peer;
    this.#handler = handler;
    this.#capacity = network.random.between(1, 64) * 4096;
    network.connections.add(this);
  }

  get gone(): boolean {
    return this.#gone;
  }

  get open(): boolean {
    return this.#open && !this.#gone;
  }

  /** The process at the other end. */
  get remote(): SimProcess | undefined {
    return this.#other?.process;
  }

  // ------------------------------------------------------------------------------------------------ for the program

  write(bytes: Uint8Array): boolean {
    if (this.#gone || this.#closing || !this.process.alive) return true;
    if (this.#drainOwed) this.#network.broken(`"${this.peer}" was written to before it had drained`);
    if (!this.#open || this.#unsent.length > 0) {
      this.#unsent = joined(this.#unsent, bytes);
      return true;
    }
    const free = Math.max(0, this.#capacity - this.#buffered);
    const taken = Math.min(free, bytes.length);
    if (taken > 0) this.#transmit(bytes.slice(0, taken));
    if (taken === bytes.length) return true;
    this.#unsent = bytes.subarray(taken);
    this.#drainOwed = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#scheduleRead(0);
  }

  close(): void {
    if (this.#gone || this.#closing || !this.process.alive) return;
    this.#closing = true;
    this.#drainOwed = false;
    this.#network.later(CLOSE_MS * 1000, () => this.#finish(undefined));
    this.#sendFin();
    this.#scheduleRead(0);
  }

  destroy(forget = false): void {
    if (this.#gone || !this.process.alive) return;
    if (forget) this.#forget();
    this.#vanish();
    const handler = this.#handler;
    this.#network.later(0, () => this.process.run(() => handler?.onClose()));
  }

  // ------------------------------------------------------------------------------------------------ for the network

  /** Ties the two ends together: what one writes is on its way to the other. */
  tie(other: SimConnection): void {
    this.#other = other;
  }

  /** The connection is open; the handler hears of it and of what has come already. */
  opened(handler?: ConnectionHandler): void {
    if (this.#gone) return;
    this.#open = true;
    this.#handler = handler ?? this.#handler;
    if (this.#unsent.length > 0) this.#absorb();
    if (this.#closing) this.#sendFin();
    else this.#handler?.onOpen();
    this.#scheduleArrival();
  }

  /** The attempt to connect failed, or the connection broke. */
  fail(error: FlareError): void {
    this.#finish(error);
  }

  /** A reset from outside. */
  reset(): void {
    this.#finish(new FlareError("CONNECTION_FAILED", `connection to "${this.peer}" broke: ECONNRESET`, { retriable: true }));
  }

  /** The connection breaks at both ends after this many bytes more. */
  limit(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /**
   * The connection breaks at this end alone: the other end does not hear of it, and gets what is on its way to it only later.
   */
  breakHere(lateUs: number): void {
    this.#other?.delay(lateUs);
    this.reset();
  }

  /** What is on its way here comes later. */
  delay(lateUs: number): void {
    const late = this.#segments.map(({ bytes, arrivesUs }) => ({ bytes, arrivesUs: arrivesUs + lateUs }));
    this.#segments.splice(0, late.length, ...late);
    this.#lastArrivalUs += lateUs;
  }

  /** The process was killed: the system closes its sockets. `silently`: the power is gone, the other side does not notice. */
  abandon(silently: boolean): void {
    if (this.#gone) return;
    if (silently) {
      this.#other?.loseSegments();
      this.#remove();
    } else {
      this.#vanish();
    }
  }

  /** What is on its way here does not come any more. */
  loseSegments(): void {
    this.#segments.length = 0;
  }

  /** The link may carry again what was held up. */
  retry(): void {
    this.#scheduleArrival();
  }

  // ------------------------------------------------------------------------------------------------------- sending

  #transmit(bytes: Uint8Array): void {
    this.#buffered += bytes.length;
    if (this.#other !== undefined) this.#network.tamper?.(bytes, this.process.host, this.#other.process.host);
    const carried = Math.min(bytes.length, this.#bytesLeft);
    this.#bytesLeft -= carried;
    if (carried > 0) this.#other?.incoming(bytes.subarray(0, carried), this.process);
    if (carried < bytes.length) this.#breakSoon();
  }

  #breakSoon(): void {
    const other = this.#other;
    this.#network.later(other === undefined ? 0 : this.#network.latencyUs(this.process, other.process), () => {
      this.reset();
      other?.reset();
    });
  }

  #absorb(): void {
    const taken = Math.min(Math.max(0, this.#capacity - this.#buffered), this.#unsent.length);
    if (taken > 0) this.#transmit(this.#unsent.slice(0, taken));
    this.#unsent = taken === this.#unsent.length ? NOTHING : this.#unsent.subarray(taken);
    if (this.#unsent.length > 0) return;
    if (this.#closing) return this.#sendFin();
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    this.process.run(() => {
      if (!this.#gone && !this.#closing) this.#handler?.onDrain();
    });
  }

  #sendFin(): void {
    if (!this.#open || this.#unsent.length > 0 || this.#finSent) return;
    this.#finSent = true;
    this.#other?.incoming(NOTHING, this.process);
    this.#network.later(LINGER_MS * 1000, () => this.#finish(undefined));
    this.#finishWhenBothEnded();
  }

  /** The other end has read so much. */
  acknowledged(count: number): void {
    this.#buffered -= count;
    if (this.#unsent.length === 0 || this.#gone) return;
    this.#network.later(this.#network.latencyUs(this.process, this.process), () => {
      if (!this.#gone) this.#absorb();
    });
  }

  // ----------------------------------------------------------------------------------------------------- receiving

  /** Takes bytes (none: the FIN) on their way here from the other end. */
  incoming(bytes: Uint8Array, from: SimProcess): void {
    const { random } = this.#network;
    const stallUs = this.#network.stallUs(from, this.process);
    let rest = bytes;
    do {
      const cut = rest.length > 1 && random.chance(this.#network.cutProbability) ? random.between(1, rest.length) : rest.length;
      const nowUs = this.#network.nowUs;
      this.#lastArrivalUs = Math.max(this.#lastArrivalUs, nowUs + this.#network.latencyUs(from, this.process) + stallUs);
      this.#segments.push({ bytes: rest.subarray(0, cut), arrivesUs: this.#lastArrivalUs });
      rest = rest.subarray(cut);
    } while (rest.length > 0);
    this.#scheduleArrival();
  }

  #scheduleArrival(): void {
    const head = this.#segments[0];
    if (head === undefined || this.#arrivalScheduled) return;
    this.#arrivalScheduled = true;
    this.#network.later(Math.max(0, head.arrivesUs - this.#network.nowUs), () => {
      this.#arrivalScheduled = false;
      this.#arrive();
    });
  }

  #arrive(): void {
    const sender = this.#other;
    if (sender === undefined || this.#segments.length === 0) return;
    if (!this.#network.carries(sender.process, this.process)) return this.#network.holdUp(this);
    if (this.#gone) {
      this.#segments.length = 0;
      // The port does not know this connection any more.
      if (!sender.gone && this.#network.carries(this.process, sender.process)) this.#tellReset(sender);
      return;
    }
    this.process.run(() => this.#read());
  }

  #scheduleRead(delayUs: number): void {
    if (this.#readScheduled || this.#gone) return;
    this.#readScheduled = true;
    this.#network.later(delayUs, () => {
      this.#readScheduled = false;
      this.process.run(() => this.#read());
    });
  }

  /** One read of the program: some of what has arrived, then perhaps the end. */
  #read(): void {
    if (this.#gone || !this.#open || (this.#paused && !this.#closing)) return;
    const chunk = this.#takeArrived();
    if (chunk === undefined) return this.#scheduleArrival();
    if (chunk.length === 0) {
      this.#finReceived = true;
      if (!this.#closing) {
        this.#ended = true;
        this.#network.note(this, "end");
        this.#handler?.onEnd();
      }
      return this.#finishWhenBothEnded();
    }
    this.#other?.acknowledged(chunk.length);
    if (!this.#closing) {
      this.#network.delivered(this, chunk);
      this.#handler?.onData(chunk);
      chunk.fill(GARBAGE);
    }
    if (this.#segments.length > 0) this.#scheduleRead(NEXT_READ_US);
  }

  /** Bytes in the read buffer; none at all for the FIN; undefined when nothing has arrived. */
  #takeArrived(): Uint8Array | undefined {
    const { nowUs } = this.#network;
    const first = this.#segments[0];
    if (first === undefined || first.arrivesUs > nowUs) return undefined;
    if (first.bytes.length === 0) {
      this.#segments.shift();
      return NOTHING;
    }
    const { readBuffer } = this.#network;
    let length = 0;
    for (;;) {
      const head = this.#segments[0];
      if (head === undefined || head.arrivesUs > nowUs || head.bytes.length === 0) break;
      const room = readBuffer.length - length;
      if (room === 0) break;
      const part = head.bytes.subarray(0, room);
      readBuffer.set(part, length);
      length += part.length;
      if (part.length === head.bytes.length) this.#segments.shift();
      else this.#segments[0] = { bytes: head.bytes.subarray(part.length), arrivesUs: head.arrivesUs };
    }
    return readBuffer.subarray(0, length);
  }

  // --------------------------------------------------------------------------------------------------- the last steps

  #finishWhenBothEnded(): void {
    if (this.#finSent && (this.#finReceived || this.#ended)) this.#network.later(0, () => this.#finish(undefined));
  }

  /** `onClose`, once. */
  #finish(error: FlareError | undefined): void {
    if (this.#gone) return;
    if (error === undefined && !this.#finSent) this.#tellEnd();
    this.#remove();
    if (error !== undefined) this.#network.note(this, `failed ${error.code}`);
    this.process.run(() => this.#handler?.onClose(error));
  }

  /** Instead of an end there is a reset, which is not sent again if it gets lost. */
  #forget(): void {
    const other = this.#other;
    if (other === undefined || other.gone) return;
    other.loseSegments();
    this.#finSent = true;
    if (this.#network.carries(this.process, other.process)) this.#tellReset(other);
  }

  /** Goes without `onClose`; the other end hears of it. */
  #vanish(): void {
    this.#tellEnd();
    this.#remove();
  }

  #tellEnd(): void {
    const other = this.#other;
    if (other === undefined || other.gone) return;
    const unread = this.#segments.some(({ bytes, arrivesUs }) => bytes.length > 0 && arrivesUs <= this.#network.nowUs);
    if (unread) {
      if (this.#network.carries(this.process, other.process)) this.#tellReset(other);
    } else if (!this.#finSent) {
      this.#finSent = true;
      other.incoming(NOTHING, this.process);
    }
  }

  #tellReset(other: SimConnection): void {
    this.#network.later(this.#network.latencyUs(this.process, other.process), () => other.reset());
  }

  #remove(): void {
    this.#gone = true;
    this.#network.connections.delete(this);
    this.#unsent = NOTHING;
  }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}
