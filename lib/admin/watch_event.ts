/** What happens in a cluster that somebody watches. Types only, and the name that each kind has for people. */

import type { MapEventKind } from "../cluster/map_events.ts";

/**
 * What kind of event it is: a change of the node map, another leading index server, a line of a node's log; `gap`: from now on,
 * or in between, something is not seen; `back`: it is seen again.
 */
export type WatchKind = MapEventKind | "map" | "leader" | "log" | "gap" | "back";

/** One event. */
export interface WatchEvent {
  /** When it was seen, in milliseconds since 1970. */
  readonly atMs: number;
  readonly kind: WatchKind;
  /** The `host:port` of the server it is about; undefined = the cluster. */
  readonly server: string | undefined;
  /** One line. */
  readonly text: string;
  /** Of changes of the node map: the command or event behind them, and who sent it, as the index server's log has it. */
  readonly cause?: string;
}

/** Gets the events; nothing more is read from a server until the promise resolves. */
export type Emit = (event: Omit<WatchEvent, "atMs">) => Promise<void>;

/** Where events go, and until when. */
export interface WatchTarget {
  readonly emit: Emit;
  readonly signal: AbortSignal;
}
