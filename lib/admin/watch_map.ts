/**
 * Follows the node map and the index servers: asks for them in intervals and says what has changed. The changes of a map are
 * those that servers log (`map_events.ts`); who made them stands in the history that our index servers keep.
 */

import { FlareError } from "../base/errors.ts";
import { pause } from "../base/sleep.ts";
import { mapEvents, mapEventText } from "../cluster/map_events.ts";
import { HISTORY_MAX } from "../cluster/map_record.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";
import { type IndexReport, NOBODY } from "./index_report.ts";
import type { Emit, WatchTarget } from "./watch_event.ts";

/** Records of changes that may have come after the map was read. */
const NEWER_RECORDS = 10;

/** How a map is followed. */
export interface MapWatchOptions extends WatchTarget {
  /** The pause between two looks, in milliseconds. */
  readonly intervalMs: number;
  /** Called with the first map, and with each one that differs. */
  readonly onMap?: (map: NodeMap) => void;
}

/** Says what changes in the node map. @throws FlareError if no index server answers the first time */
export async function watchMap(admin: ClusterAdmin, options: MapWatchOptions): Promise<void> {
  const { clock } = admin.runtime;
  const { emit, signal, intervalMs, onMap } = options;
  let known = await admin.nodeMap();
  onMap?.(known);
  let silentSinceMs: number | undefined;
  while (await pause(clock, intervalMs, signal)) {
    try {
      const map = await admin.nodeMap();
      if (silentSinceMs !== undefined) {
        const seconds = ((clock.monotonicMs() - silentSinceMs) / 1000).toFixed(1);
        await emit({
          kind: "back",
          server: undefined,
          text: `index server "${admin.index.server}" answers, after ${seconds} s`,
        });
        silentSinceMs = undefined;
      }
      if (map.version === known.version) continue;
      await sayChanges(known, map, await causeOf(admin, known, map), emit);
      known = map;
      onMap?.(map);
    } catch (error) {
      if (!(error instanceof FlareError) || signal.aborted) throw error;
      if (silentSinceMs !== undefined) continue;
      silentSinceMs = clock.monotonicMs();
      const text = `no index server answers: ${error.message}; changes of the node map are not seen`;
      await emit({ kind: "gap", server: undefined, text });
    }
  }
}

/** Says who leads, and which index servers do not answer if there are several. */
export async function watchIndexServers(admin: ClusterAdmin, { emit, signal, intervalMs }: MapWatchOptions): Promise<void> {
  let leader: string | undefined;
  const silent = new Set<string>();
  do {
    const reports = await admin.indexReports();
    if (signal.aborted) return;
    if (reports.length > 1) for (const report of reports) await saySilence(report, silent, emit);
    const now = leaderOf(reports);
    if (now === undefined || now === leader) continue;
    // The first one is no event.
    if (leader !== undefined) await emit({ kind: "leader", server: undefined, text: now });
    leader = now;
  } while (await pause(admin.runtime.clock, intervalMs, signal));
}

async function saySilence({ server, silence }: IndexReport, silent: Set<string>, emit: Emit): Promise<void> {
  if (silence !== undefined && !silent.has(server)) {
    silent.add(server);
    await emit({ kind: "gap", server, text: `index server "${server}" does not answer: ${silence}` });
  } else if (silence === undefined && silent.delete(server)) {
    await emit({ kind: "back", server, text: `index server "${server}" answers again` });
  }
}

/** Who leads, in words, as the one with the highest term says; undefined if nobody says it (C++ index servers). */
function leaderOf(reports: readonly IndexReport[]): string | undefined {
  const saying = reports.filter(({ leader }) => leader !== undefined);
  const [newest] = saying.sort((left, right) => (right.term ?? 0) - (left.term ?? 0));
  if (newest === undefined) return undefined;
  if (newest.leader === NOBODY) return "no index server leads";
  return `index server "${newest.leader}" leads${newest.term === undefined ? "" : `, in term ${newest.term}`}`;
}

/** What made the changes between two maps, and who, oldest first; undefined if no index server says it (C++ ones). */
async function causeOf(admin: ClusterAdmin, before: NodeMap, after: NodeMap): Promise<string | undefined> {
  const [from, to] = [BigInt(before.version), BigInt(after.version)];
  if (to < from) return undefined;
  try {
    const records = await admin.mapHistory(Math.min(Number(to - from) + NEWER_RECORDS, HISTORY_MAX));
    const between = records.filter(({ version, events }) => version > from && version <= to && events.length > 0);
    return between.length === 0 ? undefined : between.map(({ cause }) => cause).join("; ");
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return undefined;
  }
}

async function sayChanges(before: NodeMap, after: NodeMap, cause: string | undefined, emit: Emit): Promise<void> {
  const steps = BigInt(after.version) - BigInt(before.version);
  // Of several changes, nobody can say which one a difference is from.
  const causeOfEach = steps === 1n ? cause : undefined;
  if (steps < 0n) {
    const text = `node map ${after.version} is older than ${before.version}, which was seen before`;
    await emit({ kind: "gap", server: undefined, text });
  } else if (steps > 1n) {
    const text = `${steps} changes of the node map came between two looks: what follows is their result`;
    await emit({ kind: "gap", server: undefined, text, ...(cause === undefined ? {} : { cause }) });
  }
  const because = causeOfEach === undefined ? {} : { cause: causeOfEach };
  const events = mapEvents(before, after);
  for (const event of events) {
    const server = (event.after ?? event.before)?.key;
    await emit({ kind: event.kind, server, text: mapEventText(after.version, event), ...because });
  }
  if (events.length === 0)
    await emit({ kind: "map", server: undefined, text: `node map ${after.version}: no node has changed`, ...because });
}
