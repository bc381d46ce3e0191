/**
 * Judges the history of a run, key by key, by the linearizability checker, and says what kind of violation it found: it tries
 * which one weaker promise would make the history right. The kind is a help for the reader; that something is wrong is certain.
 */

import type { ClientOperation, History } from "./history.ts";
import { execute, type ItemState, isRead, itemModel } from "./item_model.ts";
import { checkLinearizability, type SequentialModel, type Violation } from "./linearizability.ts";

export const FindingKind = {
  /** A read or a refusal shows a write that has no answer yet, and a later one does not. Each of them alone would be right. */
  earlyRead: "earlyRead",
  /** A read or a refusal does not know what was acknowledged before it, but what is stored is right. */
  staleRead: "staleRead",
  /** An acknowledged write has not happened. */
  lostWrite: "lostWrite",
  /** A write has happened twice. */
  appliedTwice: "appliedTwice",
  /** The versions of a key start over after a deletion: a version says no longer which value it is. */
  forgottenDeletion: "forgottenDeletion",
  /** A read shows what nobody ever wrote. */
  wrongValue: "wrongValue",
  /** Anything else, or several of them at once. */
  notLinearizable: "notLinearizable",
  /** One version of the node map is two maps, a map goes back, or a partition has two masters. */
  mapConflict: "mapConflict",
  /** Replicas still differ when they had the time to become equal. */
  differ: "differ",
  /** Something is still not served when it had the time to recover. */
  unserved: "unserved",
} as const;
export type FindingKind = (typeof FindingKind)[keyof typeof FindingKind];

export interface Finding {
  readonly kind: FindingKind;
  /** What was seen, in lines. */
  readonly explanation: string;
}

/** What a history says. */
export interface JudgedHistory {
  readonly operations: number;
  /** Operations without an answer, reads too. */
  readonly unknown: number;
  readonly keys: number;
  /** Keys whose histories would take too long to check. */
  readonly undecided: number;
  readonly findings: readonly Finding[];
}

type ItemJudgeModel = SequentialModel<ItemState, ClientOperation>;

/** Answers that acknowledge a change. */
const CHANGED = /^(STORED|DELETED|\d+)$/;
/** Operations of the longest right order that are printed. */
const SHOWN_BEFORE = 12;

export function judge(history: History): JudgedHistory {
  const findings: Finding[] = [];
  let unknown = 0;
  let undecided = 0;
  for (const key of history.keys) {
    const operations = history.of(key);
    unknown += operations.filter(({ returnUs }) => returnUs === undefined).length;
    const judgment = judgeKey(key, operations);
    if (judgment === "undecided") undecided++;
    else if (judgment !== undefined) findings.push(judgment);
  }
  return { operations: history.count, unknown, keys: history.keys.length, undecided, findings };
}

/** What is wrong with the operations on one key, if anything is. */
export function judgeKey(key: string, operations: readonly ClientOperation[]): Finding | "undecided" | undefined {
  // A read without an answer says nothing.
  const telling = operations.filter(({ command, returnUs }) => returnUs !== undefined || !isRead(command));
  const model: ItemJudgeModel = itemModel(key);
  const judgment = checkLinearizability(model, telling);
  if (judgment.verdict === "linearizable") return undefined;
  const kind = isPlausible(key, telling) ? undefined : FindingKind.wrongValue;
  if (judgment.verdict === "undecided") return kind === undefined ? "undecided" : { kind, explanation: key };
  return { kind: kind ?? classify(model, telling), explanation: explain(key, judgment.violation, telling) };
}

function classify(model: ItemJudgeModel, operations: readonly ClientOperation[]): FindingKind {
  const isRight = (weaker: ItemJudgeModel, judged: readonly ClientOperation[]) =>
    checkLinearizability(weaker, judged).verdict === "linearizable";
  const changes = operations.filter(mayHaveChanged);
  const lasting = operations.filter((each) => each.final || mayHaveChanged(each));
  if (isRight(withoutMemory(model), operations)) return FindingKind.forgottenDeletion;
  if (isRight(model, lasting)) {
    const isEarly = operations.every((each) => mayHaveChanged(each) || isRight(model, [...changes, each]));
    return isEarly ? FindingKind.earlyRead : FindingKind.staleRead;
  }
  if (isRight(withDuplicates(model), lasting)) return FindingKind.appliedTwice;
  if (isRight(withLosses(model), lasting)) return FindingKind.lostWrite;
  return FindingKind.notLinearizable;
}

/** A deleted item may be forgotten with its version. */
function withoutMemory(model: ItemJudgeModel): ItemJudgeModel {
  return {
    ...model,
    step(state, operation) {
      if (state.value !== undefined || state.version === 0) return model.step(state, operation);
      return [...model.step(state, operation), ...model.step(model.initial, operation)];
    },
  };
}

/** Acknowledged changes may vanish at once. */
function withLosses(model: ItemJudgeModel): ItemJudgeModel {
  return {
    ...model,
    step(state, operation) {
      const next = model.step(state, operation);
      return operation.returnUs !== undefined && mayHaveChanged(operation) ? [...next, state] : next;
    },
  };
}

/** Each write may happen twice, and either time may be answered. */
function withDuplicates(model: ItemJudgeModel): ItemJudgeModel {
  return {
    ...model,
    step(state, operation) {
      const next = model.step(state, operation);
      if (isRead(operation.command)) return next;
      const answeredFirst = next.map((each) => execute(each, operation.command).next);
      const answeredSecond = model.step(execute(state, operation.command).next, operation);
      return [...next, ...answeredFirst, ...answeredSecond];
    },
  };
}

/** Reads and refused writes have not. */
function mayHaveChanged({ command, answer, returnUs }: ClientOperation): boolean {
  if (returnUs === undefined) return !isRead(command);
  return answer?.kind === "line" && CHANGED.test(answer.line);
}

/** Whether the reads show only what was sent: a whole value, or words in any order, each at most as often as it was sent. */
function isPlausible(key: string, operations: readonly ClientOperation[]): boolean {
  const sent = operations.flatMap(({ command }) => ("value" in command ? [command.value] : []));
  const numeric = operations.some(({ command }) => command.name === "incr" || command.name === "decr");
  return operations.every(({ command, answer }) => {
    if (!isRead(command) || answer?.kind !== "items") return true;
    return answer.items.every((item) => {
      if (item.key !== key) return false;
      if (sent.includes(item.value)) return true;
      return (numeric && /^\d+$/.test(item.value)) || isMadeOf(item.value, sent);
    });
  });
}

/** Whether a text consists of some of the parts, each used once; it may stop early. */
function isMadeOf(text: string, parts: readonly string[]): boolean {
  if (text === "") return true;
  return parts.some(
    (part, i) => part !== "" && text.startsWith(part) && isMadeOf(text.slice(part.length), parts.toSpliced(i, 1)),
  );
}

/** The end of the longest right order, and what does not follow it. */
function explain(
  key: string,
  { order, state, stuck }: Violation<ItemState, ClientOperation>,
  operations: readonly ClientOperation[],
): string {
  const answered = operations.filter(({ returnUs }) => returnUs !== undefined).length;
  const inOrder = order.filter(({ returnUs }) => returnUs !== undefined).length;
  const left = execute(state, { name: "get" }).answer;
  const guessable = operations.filter((each) => each.returnUs === undefined && !order.includes(each));
  return [
    `"${key}": ${inOrder} of ${answered} answered operations have a right order, which ends`,
    ...order.slice(-SHOWN_BEFORE).map((operation) => `  ${operation}`),
    `and leaves ${left} (version ${state.version}); none of these can come next:`,
    ...stuck.map((operation) => `  ${operation} (expected ${execute(state, operation.command).answer})`),
    ...(guessable.length === 0 ? [] : ["at any time after their calls, or never, there may have been:"]),
    ...guessable.map((operation) => `  ${operation}`),
  ].join("\n");
}

/** Findings by kind. */
export function countFindings(findings: readonly Finding[]): Record<FindingKind, number> {
  const counts = Object.fromEntries(Object.values(FindingKind).map((kind) => [kind, 0])) as Record<FindingKind, number>;
  for (const { kind } of findings) counts[kind]++;
  return counts;
}
