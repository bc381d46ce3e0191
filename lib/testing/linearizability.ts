/**
 * Decides whether the operations on one object are linearizable: whether there is one order in which each takes effect at a
 * moment between its call and its return, and answers what a sequential object would. The search is Wing and Gong's with Lowe's
 * memoization, as in porcupine: always linearize an operation that was called before the first return that is left, and never
 * visit a pair of linearized operations and state twice. An operation without an answer may take effect at any time after its
 * call, or never. Knows neither keys nor commands.
 *
 * Wing, Gong: Testing and verifying concurrent objects (1993). Lowe: Testing for linearizability (2016).
 */

export interface TimedOperation {
  readonly callUs: number;
  /** Undefined: no answer came. */
  readonly returnUs: number | undefined;
  /** An operation that takes effect before this one although both were under way at once, unless its answer is missing. */
  readonly after: TimedOperation | undefined;
}

/** What the object does when one operation follows the other. */
export interface SequentialModel<State, Operation> {
  readonly initial: State;
  /**
   * The states that the operation may leave behind; none if it cannot answer in this state what it answered. Without an
   * answer: none, too, if it changes nothing.
   */
  step(state: State, operation: Operation): readonly State[];
  /** Equal for equal states, and only for them. */
  keyOf(state: State): string;
}

/** Why a history is not linearizable. */
export interface Violation<State, Operation> {
  /** The longest order that is right. */
  readonly order: readonly Operation[];
  /** The state after it. */
  readonly state: State;
  /** The answered operations one of which comes next. None is right in any order that was found. */
  readonly stuck: readonly Operation[];
}

export type Judgment<State, Operation> =
  | { readonly verdict: "linearizable"; readonly explored: number }
  /** The search would have taken too long. */
  | { readonly verdict: "undecided"; readonly explored: number }
  | { readonly verdict: "violated"; readonly explored: number; readonly violation: Violation<State, Operation> };

/** Pairs of linearized operations and state that are visited at most. */
const EXPLORED_MAX = 100_000;

export function checkLinearizability<State, Operation extends TimedOperation>(
  model: SequentialModel<State, Operation>,
  operations: readonly Operation[],
  exploredMax: number = EXPLORED_MAX,
): Judgment<State, Operation> {
  return new Search(model, operations).run(exploredMax);
}

/** An operation and its place among the others. */
interface Item<Operation> {
  readonly operation: Operation;
  readonly bit: bigint;
  /** The bit of the operation that comes first. */
  readonly afterBit: bigint;
}

/** A call or a return in the order of time; a call knows its return. */
interface Entry<Operation> {
  readonly item: Item<Operation>;
  readonly match: Entry<Operation> | undefined;
  previous: Entry<Operation> | undefined;
  next: Entry<Operation> | undefined;
}

/** An operation that can come next. */
interface Move<State, Operation> {
  readonly state: State;
  readonly item: Item<Operation>;
  /** Its call; undefined if it has no answer. */
  readonly call: Entry<Operation> | undefined;
}

interface Frame<State, Operation> {
  readonly state: State;
  readonly moves: readonly Move<State, Operation>[];
  tried: number;
}

class Search<State, Operation extends TimedOperation> {
  readonly #model: SequentialModel<State, Operation>;
  /** Calls and returns of answered operations that are not linearized. */
  #first: Entry<Operation> | undefined;
  /** Operations without an answer, by their calls. */
  readonly #unanswered: readonly Item<Operation>[];
  #linearized = 0n;
  /** The part of `#linearized` that has no answer. */
  #guessed = 0n;
  /** By answered operations and state: the guesses with which they were reached. */
  readonly #visited = new Map<string, bigint[]>();
  readonly #path: Move<State, Operation>[] = [];
  #answered = 0;
  #longest = -1;
  #violation: Violation<State, Operation>;

  constructor(model: SequentialModel<State, Operation>, operations: readonly Operation[]) {
    this.#model = model;
    this.#violation = { order: [], state: model.initial, stuck: [] };
    const bits = new Map<TimedOperation, bigint>();
    for (const operation of operations) if (operation.returnUs !== undefined) bits.set(operation, 1n << BigInt(bits.size));
    let lastBit = BigInt(bits.size);
    const items = operations.map((operation) => ({
      operation,
      bit: bits.get(operation) ?? 1n << lastBit++,
      afterBit: (operation.after && bits.get(operation.after)) ?? 0n,
    }));
    const byCall = items.toSorted((left, right) => left.operation.callUs - right.operation.callUs);
    this.#unanswered = byCall.filter(({ operation }) => operation.returnUs === undefined);
    this.#link(byCall.filter(({ operation }) => operation.returnUs !== undefined));
  }

  run(exploredMax: number): Judgment<State, Operation> {
    const { initial } = this.#model;
    const frames: Frame<State, Operation>[] = [{ state: initial, moves: this.#movesFrom(initial), tried: 0 }];
    let explored = 0;
    while (this.#first !== undefined) {
      const frame = frames.at(-1);
      if (frame === undefined) return { verdict: "violated", explored, violation: this.#violation };
      const move = frame.moves[frame.tried++];
      if (move === undefined) {
        frames.pop();
        this.#undo();
        continue;
      }
      this.#do(move);
      if (this.#isVisited(move.state)) {
        this.#undo();
        continue;
      }
      if (++explored > exploredMax) return { verdict: "undecided", explored };
      frames.push({ state: move.state, moves: this.#movesFrom(move.state), tried: 0 });
    }
    return { verdict: "linearizable", explored };
  }

  /** Makes the list; at the same time calls come before returns, since such operations may overlap. */
  #link(items: readonly Item<Operation>[]): void {
    const entries = items.flatMap((item) => {
      const end: Entry<Operation> = { item, match: undefined, previous: undefined, next: undefined };
      const call: Entry<Operation> = { item, match: end, previous: undefined, next: undefined };
      return [
        { entry: call, atUs: item.operation.callUs, rank: 0 },
        { entry: end, atUs: item.operation.returnUs as number, rank: 1 },
      ];
    });
    entries.sort((left, right) => left.atUs - right.atUs || left.rank - right.rank);
    for (const [i, { entry }] of entries.entries()) {
      entry.previous = entries[i - 1]?.entry;
      entry.next = entries[i + 1]?.entry;
    }
    this.#first = entries[0]?.entry;
  }

  /** What can come next, answered operations first: most of the others never took effect. */
  #movesFrom(state: State): Move<State, Operation>[] {
    const moves: Move<State, Operation>[] = [];
    const pending: Operation[] = [];
    let entry = this.#first;
    for (; entry?.match !== undefined; entry = entry.next) {
      pending.push(entry.item.operation);
      this.#add(moves, state, entry.item, entry);
    }
    if (this.#answered > this.#longest) {
      this.#longest = this.#answered;
      this.#violation = { order: this.#path.map(({ item }) => item.operation), state, stuck: pending };
    }
    const untilUs = entry?.item.operation.returnUs ?? 0;
    for (const item of this.#unanswered) {
      if (item.operation.callUs > untilUs) break;
      if ((this.#linearized & item.bit) === 0n) this.#add(moves, state, item, undefined);
    }
    return moves;
  }

  #add(moves: Move<State, Operation>[], state: State, item: Item<Operation>, call: Entry<Operation> | undefined): void {
    if ((this.#linearized & item.afterBit) !== item.afterBit) return;
    for (const next of this.#model.step(state, item.operation)) moves.push({ state: next, item, call });
  }

  #do(move: Move<State, Operation>): void {
    const { item, call } = move;
    this.#path.push(move);
    this.#linearized |= item.bit;
    if (call === undefined) {
      this.#guessed |= item.bit;
    } else {
      this.#answered++;
      this.#lift(call);
      this.#lift(call.match as Entry<Operation>);
    }
  }

  #undo(): void {
    const move = this.#path.pop();
    if (move === undefined) return;
    const { item, call } = move;
    this.#linearized &= ~item.bit;
    if (call === undefined) {
      this.#guessed &= ~item.bit;
    } else {
      this.#answered--;
      this.#unlift(call.match as Entry<Operation>);
      this.#unlift(call);
    }
  }

  #lift(entry: Entry<Operation>): void {
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
  }

  #unlift(entry: Entry<Operation>): void {
    if (entry.previous === undefined) this.#first = entry;
    else entry.previous.next = entry;
    if (entry.next !== undefined) entry.next.previous = entry;
  }

  /**
   * Whether the search was here, and remembers that it is now. Fewer guesses leave more ways to go on, so a visit with some of
   * today's guesses counts.
   */
  #isVisited(state: State): boolean {
    const key = `${(this.#linearized & ~this.#guessed).toString(36)} ${this.#model.keyOf(state)}`;
    const visits = this.#visited.get(key);
    if (visits?.some((guessed) => (guessed & this.#guessed) === guessed) === true) return true;
    if (visits === undefined) this.#visited.set(key, [this.#guessed]);
    else visits.push(this.#guessed);
    return false;
  }
}
