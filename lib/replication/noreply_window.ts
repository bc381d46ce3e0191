/**
 * `noreply-window-limit`: on each connection this many replicated writes in a row do not request a reply; the next one does,
 * and the count restarts. It only counts; it knows neither the writes nor the network.
 */

export class NoreplyWindow {
  readonly #counts = new WeakMap<object, number>();

  /** Whether the next write on this connection needs no reply; `limit` 0 = every one does. */
  passes(connection: object, limit: number): boolean {
    if (limit === 0) return false;
    const count = this.#counts.get(connection) ?? 0;
    this.#counts.set(connection, count < limit ? count + 1 : 0);
    return count < limit;
  }
}
