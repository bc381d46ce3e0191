/**
 * Operations that cannot be executed at once (the engine must be read first, or the arena is full of records that are not in
 * the engine yet), kept per key in call order. While a key waits here, every operation for it does.
 */

import { latin1 } from "../../base/bytes.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import type { Applied, Mutation } from "../../item/mutation.ts";

/** A read, a write or a sweep of a key, with copies of its arguments. */
export type WaitingOperation =
  | {
      readonly kind: "get";
      readonly nowSeconds: number;
      readonly peek: boolean;
      readonly resolve: (entry: EntryView | undefined) => void;
      readonly reject: (error: Error) => void;
    }
  | {
      readonly kind: "apply";
      readonly mutation: Mutation;
      readonly nowSeconds: number;
      readonly deadlineMs: number;
      readonly resolve: (applied: Applied) => void;
    }
  | { readonly kind: "sweep"; readonly nowSeconds: number; readonly resolve: () => void };

/** The operations waiting for one key, first come first served. */
export interface WaitingKey {
  readonly text: string;
  readonly key: KeySlice;
  readonly operations: WaitingOperation[];
}

export class WaitingKeys {
  readonly #countMax: number;
  /** The limit for the total size of waiting values, in bytes. */
  bytesMax: number;
  readonly #keys = new Map<string, WaitingKey>();
  #count = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  get isFull(): boolean {
    return this.#count >= this.#countMax || this.#bytes >= this.bytesMax;
  }

  has(key: KeySlice): boolean {
    return this.#keys.has(latin1(key.bytes, key.start, key.end));
  }

  /** Adds an operation; returns the key's queue if it is the first one, so that the caller starts it. */
  add(key: KeySlice, operation: WaitingOperation): WaitingKey | undefined {
    const text = latin1(key.bytes, key.start, key.end);
    this.#count++;
    this.#bytes += operationBytes(operation);
    const queue = this.#keys.get(text);
    if (queue !== undefined) {
      queue.operations.push(operation);
      return undefined;
    }
    const bytes = key.bytes.slice(key.start, key.end);
    const added = { text, key: { bytes, start: 0, end: bytes.length }, operations: [operation] };
    this.#keys.set(text, added);
    return added;
  }

  /** Removes the first operation of a key; and the key, if it was the last one. */
  shift(queue: WaitingKey): void {
    const operation = queue.operations.shift();
    if (operation === undefined) return;
    this.#count--;
    this.#bytes -= operationBytes(operation);
    if (queue.operations.length === 0) this.#keys.delete(queue.text);
  }

  /** All waiting keys. */
  keys(): WaitingKey[] {
    return [...this.#keys.values()];
  }
}

/** A copy of a mutation with its own bytes. */
export function copyMutation(mutation: Mutation): Mutation {
  const key = mutation.key.bytes.slice(mutation.key.start, mutation.key.end);
  const value = mutation.value.slice(mutation.valueStart, mutation.valueEnd);
  return {
    kind: mutation.kind,
    key: { bytes: key, start: 0, end: key.length },
    flags: mutation.flags,
    expire: mutation.expire,
    version: mutation.version,
    value,
    valueStart: 0,
    valueEnd: value.length,
    delta: mutation.delta,
    terms: mutation.terms === undefined ? undefined : { ...mutation.terms },
  };
}

function operationBytes(operation: WaitingOperation): number {
  return operation.kind === "apply" ? operation.mutation.value.length : 0;
}
