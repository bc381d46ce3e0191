/**
 * One index server's part in the election: it campaigns for the lead all the time, renews it while it has it, and knows when
 * that ends by its own clock, which is before it can end at the coordinator. Decides nothing about the node map.
 */

import { FlareError } from "../base/errors.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Election, Leader, Standing } from "./coordinator.ts";

/** The part of a lease that its holder uses: it stops before others take over, even if its clock is that much slower. */
const USED_PART = 0.8;
/** Campaigns in a lease. */
const CAMPAIGNS = 5;

/** What the election means for the server. */
export interface ElectionListener {
  /** It has the lead; called after each renewal, too. */
  onElected(): void;
  /** It has the lead no more. @param reason for the log */
  onDeposed(reason: string): void;
}

export class Candidacy {
  readonly #runtime: Runtime;
  readonly #election: Election;
  readonly #leaseMs: number;
  readonly #self: HostPort;
  readonly #listener: ElectionListener;
  /** The last one that was known to lead. */
  #leader: Leader | undefined;
  /** Until when that counts, on the monotonic clock; for this server itself, until when it may lead. */
  #untilMs = Number.NEGATIVE_INFINITY;
  #isOwn = false;
  /** The length that the coordinator granted last. */
  #grantedMs: number;
  #timer: Timer | undefined;
  #ending: Timer | undefined;
  #isStopped = false;

  constructor(runtime: Runtime, election: Election, leaseMs: number, self: HostPort, listener: ElectionListener) {
    this.#runtime = runtime;
    this.#election = election;
    this.#leaseMs = leaseMs;
    this.#grantedMs = leaseMs;
    this.#self = self;
    this.#listener = listener;
  }

  /** Whether this server has the lead now. */
  get isElected(): boolean {
    return this.#isOwn && this.#runtime.clock.monotonicMs() < this.#untilMs;
  }

  /** Who leads, as far as this server knows. */
  get leader(): Leader | undefined {
    return this.#runtime.clock.monotonicMs() < this.#untilMs ? this.#leader : undefined;
  }

  /** Who led when this server heard of it last, itself or another one. */
  get lastLeader(): Leader | undefined {
    return this.#leader;
  }

  /** The first campaign; others follow by themselves. @throws FlareError as `Election.campaign` */
  async start(): Promise<void> {
    await this.#campaign(true);
    this.#schedule();
  }

  /** Leaves the election, and gives up the lead. */
  async stop(): Promise<void> {
    const { clock, log } = this.#runtime;
    this.#isStopped = true;
    for (const timer of [this.#timer, this.#ending]) if (timer !== undefined) clock.clearTimer(timer);
    const hadLead = this.#isOwn;
    this.#isOwn = false;
    this.#untilMs = Number.NEGATIVE_INFINITY;
    try {
      if (hadLead) await this.#election.resign();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      log.write("info", `the lead of the index servers is not given up, it ends with its lease: ${error.message}`);
    }
  }

  #schedule(): void {
    const delayMs = Math.min(this.#leaseMs, this.#grantedMs) / CAMPAIGNS;
    if (!this.#isStopped) this.#timer = this.#runtime.clock.setTimer(() => void this.#goOn(), delayMs);
  }

  async #goOn(): Promise<void> {
    try {
      await this.#campaign(false);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("info", `no news of the leading index server: ${error.message}`);
    }
    this.#schedule();
  }

  async #campaign(isRestart: boolean): Promise<void> {
    const { clock } = this.#runtime;
    const candidate = { address: this.#self, sinceMs: clock.nowMs() };
    // The lease lasts from some moment after this one.
    const askedMs = clock.monotonicMs();
    const standing = await this.#election.campaign(candidate, this.#leaseMs, isRestart);
    if (!this.#isStopped) this.#take(standing, askedMs);
  }

  #take({ leader, isOwn, leaseMs }: Standing, askedMs: number): void {
    const before = this.leader;
    this.#leader = leader;
    this.#grantedMs = leaseMs;
    this.#untilMs = leader === undefined ? Number.NEGATIVE_INFINITY : askedMs + leaseMs * (isOwn ? USED_PART : 1);
    const wasOwn = this.#isOwn;
    this.#isOwn = isOwn;
    if (!isOwn && leader !== undefined && !isSame(before, leader)) {
      this.#runtime.log.write("notice", `index server "${nameOf(leader)}" leads, this one follows`);
    }
    if (isOwn) {
      this.#watchEnd();
      if (this.isElected) this.#listener.onElected();
    } else if (wasOwn) {
      this.#listener.onDeposed(leader === undefined ? "its lease has ended" : `"${nameOf(leader)}" leads`);
    }
  }

  #watchEnd(): void {
    const { clock } = this.#runtime;
    if (this.#ending !== undefined) clock.clearTimer(this.#ending);
    this.#ending = clock.setTimer(() => this.#end(), Math.max(1, Math.ceil(this.#untilMs - clock.monotonicMs())));
  }

  /** The lease was not renewed in time. */
  #end(): void {
    if (!this.#isOwn) return;
    if (this.isElected) this.#watchEnd();
    else this.#listener.onDeposed("its lease could not be renewed");
  }
}

function nameOf({ address }: Leader): string {
  return formatHostPort(address.host, address.port);
}

function isSame(one: Leader | undefined, other: Leader): boolean {
  return one !== undefined && nameOf(one) === nameOf(other) && one.sinceMs === other.sinceMs;
}
