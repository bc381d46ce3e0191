/**
 * What a client knows of one key that only it writes: the states it may be in. Every written value is unique, so an answer
 * tells which writes have happened. An answer that fits no state is a wrong one, or, where faults may lose writes, tells of
 * a loss; an answer that fits nothing ever asked for is always wrong.
 */

import type { ClientAnswer } from "./sim_client.ts";

/** A value, or undefined for none. */
export type KeyState = string | undefined;

/** What a command would be answered in a state, and what it makes of it. */
export interface Expectation {
  readonly answer: string;
  readonly next: KeyState;
}

/** One command on one key. */
export interface Operation {
  readonly command: string;
  readonly shape: "line" | "items";
  readonly isRead: boolean;
  /** What it writes, if anything: a whole value, a word of a list, or an amount. */
  readonly writes?: string;
  /** Any of several, where the answer does not depend on the value alone. */
  step(state: KeyState): readonly Expectation[];
}

/** What an answer tells. */
export type Verdict = "right" | "failed" | "stale" | "lost" | "wrong";

export const MISS = "(miss)";
const STATES_MAX = 200;

/** `value`: what was set; `list`: words that begin with a comma; `number`: a counter. */
export type KeyKind = "value" | "list" | "number";

export class KeyModel {
  readonly key: string;
  readonly kind: KeyKind;
  #states = new Set<KeyState>([undefined]);
  /** Every state it has ever been in, or might have. */
  readonly #history = new Set<KeyState>([undefined]);
  /** Everything ever sent to be written. */
  readonly #sent = new Set<string>();

  constructor(key: string, kind: KeyKind) {
    this.key = key;
    this.kind = kind;
  }

  /** The state, if only one is possible. */
  get certain(): { readonly state: KeyState } | undefined {
    const [state, ...others] = this.#states;
    return others.length === 0 ? { state } : undefined;
  }

  /** An operation is sent now. */
  ask(operation: Operation): void {
    if (operation.writes !== undefined) this.#sent.add(operation.writes);
  }

  /** Learns from an answer. `lossy`: whatever it tells of is what is stored now. */
  learn(operation: Operation, answer: ClientAnswer, lossy: boolean): Verdict {
    const text = textOf(this.key, answer);
    const steps = [...this.#states].flatMap((state) => operation.step(state));
    if (text === undefined) {
      this.#become([...this.#states, ...steps.map(({ next }) => next)]);
      return "failed";
    }
    const fitting = steps.filter((step) => step.answer === text);
    if (fitting.length > 0) {
      this.#become(fitting.map(({ next }) => next));
      return "right";
    }
    const past = [...this.#history].flatMap((state) => operation.step(state)).filter((step) => step.answer === text);
    if (past.length === 0 && !this.#isPlausible(text, operation)) return "wrong";
    const told = operation.isRead || this.kind === "number" ? [text === MISS ? undefined : text] : past.map(({ next }) => next);
    if (lossy) this.#become(told);
    return operation.isRead ? "stale" : "lost";
  }

  /** Whether an answer can come from some of what was sent, in some order. */
  #isPlausible(text: string, operation: Operation): boolean {
    switch (this.kind) {
      case "number":
        return /^\d+$/.test(text);
      case "list": {
        const words = text.split(",").slice(1);
        // A word that is there twice was written twice.
        return operation.isRead && new Set(words).size === words.length && words.every((word) => this.#sent.has(`,${word}`));
      }
      default:
        return operation.isRead && this.#sent.has(text);
    }
  }

  #become(states: readonly KeyState[]): void {
    this.#states = new Set(states.slice(-STATES_MAX));
    for (const state of this.#states) this.#history.add(state);
  }
}

/** The answer in the words of `Expectation`; undefined if it is none. */
function textOf(key: string, answer: ClientAnswer): string | undefined {
  if (answer.kind === "line") return answer.line;
  if (answer.kind !== "items") return undefined;
  const [item, ...others] = answer.items;
  if (item === undefined) return MISS;
  return item.key === key && others.length === 0 ? item.value : `(another item: ${item.key})`;
}
