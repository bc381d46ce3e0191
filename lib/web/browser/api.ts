/**
 * Asks the server. A failure is an `ApiError` with the server's own words. Changes, keys and values need a token: it is asked
 * for once and kept for this tab alone.
 */

import { from64, to64 } from "./model/bytes.ts";
import type { ChangeRequest } from "./model/changes.ts";
import type { Happened, HistoryPoint, HotKeys, Item, ScanPage, SlowRequests } from "./model/cluster.ts";

/** The header that carries the token. */
const TOKEN_HEADER = "flare-token";
const TOKEN_PLACE = "flare-token";

/** What the server refused, or that it did not answer (status 0). */
export class ApiError extends Error {
  readonly status: number;
  /** Of a change: what was done before it failed. */
  readonly done: readonly string[];

  constructor(status: number, message: string, done: readonly string[] = []) {
    super(message);
    this.status = status;
    this.done = done;
  }
}

/** Asks the reader for the token; `refused` is why the last one was not accepted. Undefined: the reader does not give one. */
export type AskToken = (refused: string | undefined) => Promise<string | undefined>;

/** What a server answers to a change: all that was done, or so far, if it takes longer than an answer waits. */
export interface ChangeAnswer {
  readonly done: readonly string[];
  /** The change in a few words, if it still runs: what follows are events. */
  readonly running?: string;
}

export class Api {
  readonly #askToken: AskToken;

  constructor(askToken: AskToken) {
    this.#askToken = askToken;
  }

  get hasToken(): boolean {
    return sessionStorage.getItem(TOKEN_PLACE) !== null;
  }

  forgetToken(): void {
    sessionStorage.removeItem(TOKEN_PLACE);
  }

  happened(): Promise<readonly Happened[]> {
    return this.#get("/api/happened");
  }

  history(sinceMs: number): Promise<{ stepS: number; points: readonly HistoryPoint[] }> {
    return this.#get(`/api/history?since=${sinceMs}`);
  }

  /** Asks for the token, unless the server accepts the one that is kept. */
  async unlock(): Promise<void> {
    await this.#withToken("GET", "/api/slow");
  }

  /** With the token that is kept: nobody is asked for it again and again. */
  async slow(): Promise<SlowRequests> {
    return json(await this.#ask("GET", "/api/slow", sessionStorage.getItem(TOKEN_PLACE) ?? ""));
  }

  /** As `slow`. */
  async hot(): Promise<HotKeys> {
    return json(await this.#ask("GET", "/api/hot", sessionStorage.getItem(TOKEN_PLACE) ?? ""));
  }

  async item(key: Uint8Array): Promise<Item> {
    return json(await this.#withToken("GET", `/api/item?key64=${to64(key)}`));
  }

  /** @param before what was read: it is stored only if that is still so */
  async store(key: Uint8Array, value: Uint8Array, flags: number, ttl: number, before: Item): Promise<Item> {
    const { found, version } = before;
    const condition = found ? (version === null ? {} : { version }) : { ifAbsent: true };
    const body = { key64: to64(key), value64: to64(value), flags, ttl, ...condition };
    return json(await this.#withToken("PUT", "/api/item", body));
  }

  async remove(key: Uint8Array): Promise<{ deleted?: boolean }> {
    return json(await this.#withToken("DELETE", `/api/item?key64=${to64(key)}`));
  }

  async scan(prefix: Uint8Array, cursor: string | null, limit: number): Promise<ScanPage> {
    const from = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return json(await this.#withToken("GET", `/api/scan?prefix64=${to64(prefix)}${from}&limit=${limit}`));
  }

  async preview(request: ChangeRequest): Promise<{ steps: readonly string[]; warnings: readonly string[] }> {
    return json(await this.#withToken("POST", "/api/change", request));
  }

  async carryOut(request: ChangeRequest): Promise<ChangeAnswer> {
    return json(await this.#withToken("POST", "/api/change", request));
  }

  async #get<T>(path: string): Promise<T> {
    return json(await checked(fetched(path, {})));
  }

  /** Asks for the token until the server accepts one or the reader gives up. */
  async #withToken(method: string, path: string, body?: object): Promise<Response> {
    let refused: string | undefined;
    for (;;) {
      const token = sessionStorage.getItem(TOKEN_PLACE) ?? (await this.#askToken(refused));
      if (token === undefined) throw new ApiError(403, refused ?? "no token");
      sessionStorage.setItem(TOKEN_PLACE, token);
      try {
        return await this.#ask(method, path, token, body);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 403) throw error;
        this.forgetToken();
        refused = error.message;
      }
    }
  }
  #ask(method: string, path: string, token: string, body?: object): Promise<Response> {
    const headers: Record<string, string> = { [TOKEN_HEADER]: encodeToken(token) };
    if (method !== "GET") headers["content-type"] = "application/json";
    return checked(fetched(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }));
  }
}

/** A header has bytes, not characters. */
function encodeToken(token: string): string {
  return String.fromCharCode(...new TextEncoder().encode(token));
}

async function fetched(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (error) {
    throw new ApiError(0, (error as Error).message);
  }
}

/** @throws ApiError with what the server says */
async function checked(asked: Promise<Response>): Promise<Response> {
  const response = await asked;
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  const { error = `${response.status} ${response.statusText}`, done } = failureIn(text.trim());
  throw new ApiError(response.status, error, done);
}

/** What an answer says: JSON, or a line of text. */
function failureIn(text: string): { error?: string; done?: readonly string[] } {
  try {
    return JSON.parse(text) as { error?: string; done?: readonly string[] };
  } catch {
    return text === "" ? {} : { error: text };
  }
}

async function json<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

/** The value of an item. */
export function valueIn(item: Item): Uint8Array {
  return from64(item.value64 ?? "");
}
