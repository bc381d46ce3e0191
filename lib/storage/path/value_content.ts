/**
 * Builds the value of an item to be stored from the request, the old value, or a counter's number: first its length, then its
 * bytes, where the arena has made room.
 */

import { copyBytes } from "../../base/copy_bytes.ts";
import { Content, type Current, type Decision } from "../../item/decide.ts";
import type { Mutation } from "../../item/mutation.ts";

const DIGITS_MAX = 20;

export class ValueContent {
  readonly #digits = new Uint8Array(DIGITS_MAX);
  #digitsLength = 0;

  /** The length of the value in bytes. */
  length(decision: Decision, current: Current, mutation: Mutation): number {
    const requestLength = mutation.valueEnd - mutation.valueStart;
    const currentLength = current.valueEnd - current.valueStart;
    switch (decision.content) {
      case Content.request:
        return requestLength;
      case Content.current:
        return currentLength;
      case Content.number:
        this.#digitsLength = writeNumber(this.#digits, decision.number);
        return this.#digitsLength;
      case Content.nothing:
        return 0;
      default:
        return currentLength + requestLength;
    }
  }

  /** Copies the value of the last `length` call to `target` from `at` on. */
  write(decision: Decision, current: Current, mutation: Mutation, target: Uint8Array, at: number): void {
    switch (decision.content) {
      case Content.request:
        copyBytes(target, at, mutation.value, mutation.valueStart, mutation.valueEnd);
        return;
      case Content.current:
        copyBytes(target, at, current.bytes, current.valueStart, current.valueEnd);
        return;
      case Content.number:
        copyBytes(target, at, this.#digits, 0, this.#digitsLength);
        return;
      case Content.nothing:
        return;
      case Content.currentThenRequest: {
        const middle = copyBytes(target, at, current.bytes, current.valueStart, current.valueEnd);
        copyBytes(target, middle, mutation.value, mutation.valueStart, mutation.valueEnd);
        return;
      }
      case Content.requestThenCurrent: {
        const middle = copyBytes(target, at, mutation.value, mutation.valueStart, mutation.valueEnd);
        copyBytes(target, middle, current.bytes, current.valueStart, current.valueEnd);
      }
    }
  }
}

function writeNumber(target: Uint8Array, value: Decision["number"]): number {
  const text = String(value);
  for (let i = 0; i < text.length; i++) target[i] = text.charCodeAt(i);
  return text.length;
}
