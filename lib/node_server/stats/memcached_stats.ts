/**
 * The values of memcached's `stats`, `stats items` and `stats slabs` that Flare's do not have: the same keys, as far as they
 * apply here. There is one slab class, the arena: its chunks are the eight bytes that records are aligned to, its pages the
 * blocks.
 */

import type { Server } from "../../net/server.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { StatSink } from "../../stats/stat_sink.ts";
import type { NodeComponents } from "../node_components.ts";
import type { Counts } from "./counters.ts";

/** The alignment of records. */
const CHUNK_BYTES = 8;

/** The rest of the general `stats`, after Flare's keys. */
export function statsFurther(
  counts: Counts,
  { storage, watchers }: Pick<NodeComponents, "storage" | "watchers">,
  server: Server,
  reply: StatSink,
): void {
  const { arenaLayout, arenaBytes, liveBytes, dirtyBytes, corruptRecords, damagedTables } = storage.stats();
  print(reply, "", {
    max_connections: server.maxConnections,
    rejected_connections: counts.rejectedConnections,
    read_buf_bytes: server.requestMemory.usedBytes,
    read_buf_oom: server.traffic.noMemory,
    cmd_flush: counts.cmdFlush,
    cmd_touch: counts.touchHits + counts.touchMisses,
    cmd_meta: counts.cmdMeta,
    get_expired: counts.getExpired,
    store_too_large: counts.storeTooLarge,
    store_no_memory: counts.storeNoMemory,
    // Excess connections get an error; the listener keeps accepting.
    accepting_conns: 1,
    listen_disabled_num: 0,
    time_in_listen_disabled_us: 0,
    conn_yields: 0,
    hash_power_level: Math.log2(arenaLayout.indexSlots),
    hash_bytes: arenaLayout.indexBytes,
    hash_is_expanding: 0,
    lru_crawler_running: 1,
    lru_crawler_starts: counts.sweeps,
    crawler_reclaimed: counts.sweptItems,
    crawler_items_checked: counts.sweptKeys,
    expired_unfetched: counts.sweptUnfetched,
    evicted_unfetched: counts.evictedUnfetched,
    evicted_active: counts.evictedActive,
    reclaimed: 0,
    moves_to_cold: 0,
    moves_to_warm: 0,
    moves_within_lru: counts.spared,
    direct_reclaims: counts.roomsMade,
    log_worker_dropped: 0,
    log_worker_written: counts.linesTold,
    log_watcher_skipped: counts.linesSkipped,
    log_watcher_sent: counts.linesSent,
    log_watchers: watchers.count,
    total_malloced: arenaBytes,
    mem_requested: liveBytes,
    dirty_bytes: dirtyBytes,
    corrupt_records: corruptRecords,
    damaged_tables: damagedTables,
  });
}

/** `stats items`: the items in memory; those only on disk are in no class. The caller ends the reply. */
export function statsItems(
  counts: Counts,
  { storage, runtime }: Pick<NodeComponents, "runtime" | "storage">,
  reply: StatSink,
): void {
  const { arenaItems, liveBytes, arenaLayout, evictedIdleSeconds } = storage.stats();
  if (arenaItems > 0) {
    const { oldestAccessSeconds } = arenaLayout;
    const nowSeconds = Math.floor(runtime.clock.nowMs() / 1000);
    print(reply, "items:1:", {
      number: arenaItems,
      number_hot: 0,
      number_warm: 0,
      number_cold: arenaItems,
      age_hot: 0,
      age_warm: 0,
      age: oldestAccessSeconds === 0 ? 0 : Math.max(0, nowSeconds - oldestAccessSeconds),
      mem_requested: liveBytes,
      evicted: counts.evictions,
      evicted_nonzero: counts.evictedNonzero,
      evicted_time: evictedIdleSeconds,
      outofmemory: counts.storeNoMemory,
      tailrepairs: 0,
      reclaimed: 0,
      expired_unfetched: counts.sweptUnfetched,
      evicted_unfetched: counts.evictedUnfetched,
      evicted_active: counts.evictedActive,
      crawler_reclaimed: counts.sweptItems,
      crawler_items_checked: counts.sweptKeys,
      lrutail_reflocked: 0,
      moves_to_cold: 0,
      moves_to_warm: 0,
      moves_within_lru: counts.spared,
      direct_reclaims: counts.roomsMade,
      hits_to_hot: 0,
      hits_to_warm: 0,
      hits_to_cold: counts.getHits,
      hits_to_temp: 0,
    });
  }
}

/** `stats slabs`; `mem_requested` is only in `stats items`, because memcached's exporter fails if both have it. */
export function statsSlabs(counts: Counts, { storage }: Pick<NodeComponents, "storage">, reply: TextReply): void {
  const { arenaBytes, liveBytes, arenaLayout } = storage.stats();
  if (arenaLayout.blocks > 0) {
    print(reply, "1:", {
      chunk_size: CHUNK_BYTES,
      chunks_per_page: arenaLayout.blockBytes / CHUNK_BYTES,
      total_pages: arenaLayout.blocks,
      total_chunks: arenaBytes / CHUNK_BYTES,
      used_chunks: liveBytes / CHUNK_BYTES,
      free_chunks: (arenaBytes - liveBytes) / CHUNK_BYTES,
      free_chunks_end: arenaLayout.freeBytes / CHUNK_BYTES,
      get_hits: counts.getHits,
      cmd_set: counts.cmdSet,
      delete_hits: counts.deleteHits,
      incr_hits: counts.incrHits,
      decr_hits: counts.decrHits,
      cas_hits: counts.casHits,
      cas_badval: counts.casBadval,
      touch_hits: counts.touchHits,
    });
  }
  print(reply, "", { active_slabs: arenaLayout.blocks > 0 ? 1 : 0, total_malloced: arenaBytes });
  reply.end();
}

function print(reply: StatSink, prefix: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) reply.stat(prefix + name, value);
}
