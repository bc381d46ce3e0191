/**
 * One command to several servers, and what each of them answers. Only commands that concern the server that gets them: what
 * concerns items or the cluster is the same through any node, and has a verb or a client. Knows no output.
 */

import { FlareError } from "../base/errors.ts";
import type { Client } from "../client/client.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";

/** What one server answers. */
export interface CallAnswer {
  /** Its `host:port`. */
  readonly server: string;
  /** The lines of its answer, without `END`. */
  readonly lines: readonly string[];
  /** Why there is none; undefined if there is one. */
  readonly problem?: string;
}

/** The answer to a command: one line, or lines up to `END`. */
type AnswerShape = "line" | "lines";

/** By the first words of a command; the most words that fit count. */
const SHAPES: Readonly<Record<string, AnswerShape>> = {
  ping: "line",
  version: "line",
  verbosity: "line",
  cache_memlimit: "line",
  refresh_certs: "line",
  kill: "line",
  "lru_crawler enable": "line",
  "lru_crawler disable": "line",
  "lru_crawler sleep": "line",
  "lru_crawler tocrawl": "line",
  "lru_crawler crawl": "line",
  "stats reset": "line",
  "stats detail on": "line",
  "stats detail off": "line",
  stats: "lines",
  show: "lines",
  meta: "lines",
};

/** A command that every server executes for itself. */
export interface Call {
  /** Its words, separated by one space. */
  readonly text: string;
  readonly shape: AnswerShape;
}

/** @throws FlareError INVALID_OPTION if it is none that can be sent to several servers */
export function parseCall(words: readonly string[]): Call {
  const parts = words.flatMap((word) => word.trim().split(/ +/)).filter((word) => word !== "");
  for (let count = parts.length; count > 0; count--) {
    const shape = SHAPES[parts.slice(0, count).join(" ")];
    if (shape !== undefined) return { text: parts.join(" "), shape };
  }
  const known = [...new Set(Object.keys(SHAPES).map((name) => name.split(" ")[0]))].join(", ");
  throw new FlareError("INVALID_OPTION", `"${parts.join(" ")}" is not a command for several servers; there are ${known}`);
}

/** Sends a command to servers, each by its `host:port`, all at once; in their order. */
export function callServers(admin: ClusterAdmin, { text, shape }: Call, servers: readonly string[]): Promise<CallAnswer[]> {
  return Promise.all(
    servers.map(async (server) => {
      try {
        return { server, lines: await ask(admin.client(server), text, shape) };
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        return { server, lines: [], problem: error.message };
      }
    }),
  );
}

async function ask(client: Client, text: string, shape: AnswerShape): Promise<string[]> {
  if (shape === "line") return [await client.line(text)];
  return client.lines(text);
}
