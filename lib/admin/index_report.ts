/** What an index server says of itself and of the one that leads, from its `stats`. Pure: no connection, no clock. */

import type { Figures } from "../protocol/stat_lines.ts";

/** An index server and what it says; undefined = it does not say it. */
export interface IndexReport {
  /** Its `host:port`. */
  readonly server: string;
  /** Why it did not answer; undefined if it did. */
  readonly silence: string | undefined;
  /** Whether it leads. */
  readonly leads: boolean | undefined;
  /** The `host:port` of the one that leads, `none` if it knows of none. */
  readonly leader: string | undefined;
  /** Since when that leads, in seconds since 1970. */
  readonly leaderSince: number | undefined;
  /** The leader's term. */
  readonly term: number | undefined;
  /** Where the node map is stored, in the form of `index-db`. */
  readonly place: string | undefined;
  /** The version of its node map. */
  readonly mapVersion: string | undefined;
  /** Of servers without an election: the term of the one that leads instead of this one; 0 = none does. */
  readonly replacedBy: number;
  /** Where its node map has gone or is to arrive from, such as `gone to etcd://…`; undefined: it is there. */
  readonly moved: string | undefined;
  /** For how long the stored node map has been out of its reach, in seconds. */
  readonly failingSeconds: number;
}

/** The report of a server from its `stats`; `silence` is why it did not answer. */
export function indexReport(server: string, figures: Figures, silence?: string): IndexReport {
  const number = (name: string): number | undefined => {
    const text = figures.get(name);
    return text === undefined ? undefined : Number(text);
  };
  const leads = number("index_leads");
  const leader = figures.get("index_leader");
  return {
    server,
    silence,
    leads: leads === undefined ? undefined : leads === 1,
    leader,
    leaderSince: leader === undefined || leader === NOBODY ? undefined : number("index_leader_since"),
    term: number("index_term"),
    place: figures.get("index_db"),
    mapVersion: figures.get("node_map_version"),
    moved: (figures.get("index_moved") ?? NOT_MOVED) === NOT_MOVED ? undefined : figures.get("index_moved"),
    replacedBy: number("index_replaced_by") ?? 0,
    failingSeconds: number("index_db_failing_seconds") ?? 0,
  };
}

/** In the place of where a map has gone. */
const NOT_MOVED = "no";
/** In the place of a leader. */
export const NOBODY = "none";
