/**
 * Caches resolved names. A name is resolved once for all callers, in the background, and the last good answer stays until there
 * is a new one: a failed lookup does not remove it. Knows no runtime and no network; the lookup function is injected.
 */

import { FlareError } from "../../base/errors.ts";
import type { Clock } from "../runtime.ts";

/** Resolves a name to its addresses, best first. @throws Error if there are none, or the lookup fails */
export type NameLookup = (name: string) => Promise<readonly string[]>;

/** A cached name. */
interface Entry {
  /** Last good answer, best first; empty = none yet. */
  addresses: readonly string[];
  /** When it came, or when its addresses turned out to be useless; monotonic. */
  sinceMs: number;
  isFresh: boolean;
  error: Error | undefined;
  /** Pending lookups. */
  underWay: number;
  lookup: Promise<readonly string[]> | undefined;
}

/** How long an answer is fresh. */
const FRESH_MS = 30_000;
/** Minimal time between two lookups of a name, however many callers there are. */
const PAUSE_MS = 1_000;
/** Timeout of a lookup. */
const LOOKUP_MS_MAX = 30_000;
/** Most concurrent lookups of one name, including a timed out one that has not ended. */
const UNDER_WAY_MAX = 2;
/** With more names the least recently used one is dropped. */
const NAMES_MAX = 4096;

export class NameCache {
  readonly #clock: Clock;
  readonly #lookup: NameLookup;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, lookup: NameLookup) {
    this.#clock = clock;
    this.#lookup = lookup;
  }

  /** The last addresses of a name, empty if never resolved; `isFresh`: no new lookup is needed. */
  known(name: string): { readonly addresses: readonly string[]; readonly isFresh: boolean } {
    const entry = this.#entries.get(name);
    if (entry === undefined) return { addresses: [], isFresh: false };
    return { addresses: entry.addresses, isFresh: entry.isFresh && this.#age(entry) < FRESH_MS };
  }

  /**
   * The current addresses of a name: joins the pending lookup or starts one. @throws FlareError CONNECTION_FAILED | TIMED_OUT
   */
  ask(name: string): Promise<readonly string[]> {
    const entry = this.#entryOf(name);
    if (entry.lookup !== undefined) return entry.lookup;
    if (entry.error !== undefined && this.#age(entry) < PAUSE_MS) return Promise.reject(entry.error);
    if (entry.error === undefined && entry.addresses.length > 0 && this.#age(entry) < PAUSE_MS) {
      return Promise.resolve(entry.addresses);
    }
    if (entry.underWay >= UNDER_WAY_MAX) return Promise.reject(unanswered(name));
    entry.lookup = this.#begin(name, entry);
    // A caller that only wants a refresh ignores the outcome.
    entry.lookup.catch(() => undefined);
    return entry.lookup;
  }

  /** The addresses of a name did not work: they may have changed. */
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
  return new FlareError("CONNECTION_FAILED", `name "${name}" could not be resolved: ${why}`, { retriable: true, cause });
}

function unanswered(name: string): FlareError {
  return new FlareError("TIMED_OUT", `name "${name}" was not resolved within ${LOOKUP_MS_MAX} ms`, { retriable: true });
}
