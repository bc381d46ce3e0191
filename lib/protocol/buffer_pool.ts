/**
 * Buffers for replies being written. A connection needs one only while it is answering, so ten thousand idle connections cost
 * nothing, and the few busy ones share memory that is still in the processor's cache. Answers from other nodes that wait for
 * earlier ones are in small buffers: there can be hundreds for one connection.
 */

/** Size of the buffers handed out. */
export const POOLED_BYTES = 8192;
/** Most buffers kept for reuse. */
const KEPT_MAX = 256;
/** Size of the small ones … */
export const SMALL_BYTES = 512;
/** … which are cut from blocks of this many. */
const BLOCK_BUFFERS = 128;
const SMALL_KEPT_MAX = 4096;

export class BufferPool {
  readonly #free: Uint8Array[] = [];
  readonly #freeSmall: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(POOLED_BYTES);
  }

  takeSmall(): Uint8Array {
    if (this.#freeSmall.length === 0) {
      const block = new Uint8Array(BLOCK_BUFFERS * SMALL_BYTES);
      for (let at = 0; at < block.length; at += SMALL_BYTES) this.#freeSmall.push(block.subarray(at, at + SMALL_BYTES));
    }
    return this.#freeSmall.pop() as Uint8Array;
  }

  /** Returns an unused buffer to the pool; one that has grown is dropped. */
  give(buffer: Uint8Array): void {
    if (buffer.length === POOLED_BYTES && this.#free.length < KEPT_MAX) this.#free.push(buffer);
    else if (buffer.length === SMALL_BYTES && this.#freeSmall.length < SMALL_KEPT_MAX) this.#freeSmall.push(buffer);
  }
}
