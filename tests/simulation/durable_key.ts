/**
 * A key that one client writes and that must survive whatever happens: the value and version it must hold, or, while writes are
 * in doubt, one of several. Knows no node and no disk.
 */

/** A value and its version; after a deletion the version alone. */
export interface KeyState {
  readonly version: number;
  readonly value: string | undefined;
}

/** What a write makes of a state. */
export type KeyChange = (state: KeyState) => KeyState;

const STATES_SHOWN = 5;

export const NEVER_WRITTEN: KeyState = { version: 0, value: undefined };

export class DurableKey {
  readonly name: string;
  /** What it may hold after all answers so far. */
  #certain: readonly KeyState[] = [NEVER_WRITTEN];
  /** Sent and not acknowledged, in order. */
  #inDoubt: readonly KeyChange[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Its value when everything that was sent is carried out. */
  get value(): string | undefined {
    return this.#outcomes.at(-1)?.[0]?.value;
  }

  /** Whether it has one value only, whatever the version. */
  get isCertain(): boolean {
    return new Set(this.#outcomes.flat().map(({ value }) => value)).size === 1;
  }

  sent(change: KeyChange): void {
    this.#inDoubt = [...this.#inDoubt, change];
  }

  /** The oldest write without an answer. */
  acknowledged(): void {
    const [change, ...rest] = this.#inDoubt;
    if (change !== undefined) this.#certain = this.#certain.map(change);
    this.#inDoubt = rest;
  }

  /** The oldest write without an answer has failed: it was carried out or not. */
  failed(): void {
    const before = this.#certain;
    this.acknowledged();
    this.#certain = distinct([...before, ...this.#certain]);
  }

  /** This is there now, and from now on must be; false if it may not be there. Without a version any will do. */
  shown(value: string | undefined, version?: number): boolean {
    const fitting = this.#outcomes
      .flat()
      .filter((state) => state.value === value && (version === undefined || state.version === version));
    if (fitting.length === 0) return false;
    this.#certain = fitting;
    this.#inDoubt = [];
    return true;
  }

  toString(): string {
    const states = this.#outcomes.flat().map(({ value, version }) => `${shortened(value)} with version ${version}`);
    return `"${this.name}" may hold ${states.slice(0, STATES_SHOWN).join(" or ")}`;
  }

  /** The states after none, the first, the first two … of the writes in doubt. */
  get #outcomes(): readonly (readonly KeyState[])[] {
    const outcomes = [this.#certain];
    for (const change of this.#inDoubt) outcomes.push((outcomes.at(-1) as readonly KeyState[]).map(change));
    return outcomes;
  }
}

function distinct(states: readonly KeyState[]): readonly KeyState[] {
  return [...new Map(states.map((state) => [`${state.version} ${state.value}`, state])).values()];
}

/** A value for a message. */
export function shortened(value: string | undefined): string {
  if (value === undefined) return "nothing";
  return value.length > 60 ? `"${value.slice(0, 60)}…" (${value.length} bytes)` : `"${value}"`;
}
