/**
 * Buffers for replies being written. A connection needs one only while it is answering, so ten thousand idle connections cost
 * nothing, and the few busy ones share memory that is still in the processor's cache.
 */

/** Size of the buffers handed out. */
export const POOLED_BYTES = 8192;
/** Most buffers kept for reuse. */
const KEPT_MAX = 256;

export class BufferPool {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(POOLED_BYTES);
  }

  /** Returns an unused buffer to the pool; one that has grown is dropped. */
  give(buffer: Uint8Array): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < KEPT_MAX) this.#free.push(buffer);
  }
}
