/**
 * Buffers for replies in the making. A connection needs one only while it is answering, so ten thousand idle ones cost
 * nothing, and the few that are busy share memory that is still in the processor's cache.
 */

/** Size of the buffers handed out. */
export const POOLED_BYTES = 8192;
/** Buffers kept for later. */
const KEPT_MAX = 256;

export class BufferPool {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(POOLED_BYTES);
  }

  /** Takes back a buffer that nobody reads any more; one that has grown is let go. */
  give(buffer: Uint8Array): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < KEPT_MAX) this.#free.push(buffer);
  }
}
