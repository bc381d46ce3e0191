/** The settings of memcached's `lru_crawler` on this node. They last until the node stops; `stats settings` shows them. */

export class CrawlerSettings {
  /** False: `lru_crawler` neither lists nor crawls. */
  enabled = true;
  /** Pause of a listing after every thousand items, in microseconds. */
  sleepUs = 100;
  /** Items a `crawl` checks, 0 = all. */
  toCrawl = 0;
}
