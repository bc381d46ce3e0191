/**
 * Remembers where names are. A name is looked up once for everybody who wants it, in the background, and the last good
 * answer stays until there is another: what was found is never taken back by a lookup that fails. Knows no runtime and no
 * network; how a name is looked up is given to it.
 */

import { FlareError } from "../../base/errors.ts";
import type { Clock } from "../runtime.ts";

/** Finds the addresses of a name, best first. @throws Error when there are none, or nobody says */
export type NameLookup = (name: string) => Promise<readonly string[]>;

/** What is known of a name. */
interface Entry {
  /** Last good answer, best first; empty = there was none. */
  addresses: readonly string[];
  /** When it came, or when its addresses were found to be of no use; monotonic. */
  sinceMs: number;
  isFresh: boolean;
  error: Error | undefined;
  /** Lookups without an answer. */
  underWay: number;
  lookup: Promise<readonly string[]> | undefined;
}

/** An answer counts as new for so long. */
const FRESH_MS = 30_000;
/** Between two lookups of a name there is at least this time, however many want it. */
const PAUSE_MS = 1_000;
/** A lookup that has no answer by then has failed. */
const LOOKUP_MS_MAX = 30_000;
/** Lookups of one name that may go on at a time; one that has failed without an end is among them. */
const UNDER_WAY_MAX = 2;
/** The name used longest ago goes when there are more. */
const NAMES_MAX = 4096;

export class NameCache {
  readonly #clock: Clock;
  readonly #lookup: NameLookup;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, lookup: NameLookup) {
    this.#clock = clock;
    this.#lookup = lookup;
  }

  /** Where a name was found last, empty if never; `isFresh`: that is not worth asking again. */
  known(name: string): { readonly addresses: readonly string[]; readonly isFresh: boolean } {
    const entry = this.#entries.get(name);
    if (entry === undefined) return { addresses: [], isFresh: false };
    return { addresses: entry.addresses, isFresh: entry.isFresh && this.#age(entry) < FRESH_MS };
  }

  /** Where a name is now: joins the lookup under way or begins one. @throws FlareError CONNECTION_FAILED | TIMED_OUT */
  ask(name: string): Promise<readonly string[]> {
    const entry = this.#entryOf(name);
    if (entry.lookup !== undefined) return entry.lookup;
    if (entry.error !== undefined && this.#age(entry) < PAUSE_MS) return Promise.reject(entry.error);
    if (entry.error === undefined && entry.addresses.length > 0 && this.#age(entry) < PAUSE_MS) {
      return Promise.resolve(entry.addresses);
    }
    if (entry.underWay >= UNDER_WAY_MAX) return Promise.reject(unanswered(name));
    entry.lookup = this.#begin(name, entry);
    // Somebody who only wants news does not look at the outcome.
    entry.lookup.catch(() => undefined);
    return entry.lookup;
  }

  /** The addresses of a name were of no use: the name may be somewhere else by now. */
  doubt(name: string): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) entry.isFresh = false;
  }

  async #begin(name: string, entry: Entry): Promise<readonly string[]> {
    entry.underWay++;
    const answer = this.#lookup(name).finally(() => {
      entry.underWay--;
    });
    try {
      const addresses = await this.#inTime(name, answer);
      if (addresses.length === 0) throw new Error("it has no address");
      entry.addresses = addresses;
      entry.isFresh = true;
      entry.error = undefined;
      return addresses;
    } catch (cause) {
      const error = cause instanceof FlareError ? cause : notFound(name, cause);
      entry.error = error;
      throw error;
    } finally {
      entry.sinceMs = this.#clock.monotonicMs();
      entry.lookup = undefined;
    }
  }

  #inTime(name: string, answer: Promise<readonly string[]>): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(() => reject(unanswered(name)), LOOKUP_MS_MAX);
      answer.then(resolve, reject).finally(() => this.#clock.clearTimer(timer));
    });
  }

  #entryOf(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { addresses: [], sinceMs: 0, isFresh: false, error: undefined, underWay: 0, lookup: undefined };
      for (const oldest of this.#entries.keys()) {
        if (this.#entries.size < NAMES_MAX) break;
        this.#entries.delete(oldest);
      }
    } else this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry;
  }

  #age({ sinceMs }: Entry): number {
    return this.#clock.monotonicMs() - sinceMs;
  }
}

function notFound(name: string, cause: unknown): FlareError {
  const code = (cause as { code?: unknown }).code;
  const why = typeof code === "string" ? code : (cause as Error).message;
  return new FlareError("CONNECTION_FAILED", `name "${name}" was not found: ${why}`, { retriable: true, cause });
}

function unanswered(name: string): FlareError {
  return new FlareError("TIMED_OUT", `name "${name}" was not found in ${LOOKUP_MS_MAX} ms`, { retriable: true });
}
