/**
 * What memcached's `lru_crawler` has been told on this node. It holds until the node stops; `stats settings` tells it.
 */

export class CrawlerSettings {
  /** False: nothing is listed and nothing looked for by `lru_crawler`. */
  enabled = true;
  /** Pause of a listing after every thousand items, in microseconds. */
  sleepUs = 100;
  /** Items a `crawl` looks at, 0 = all. */
  toCrawl = 0;
}
