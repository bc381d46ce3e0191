/**
 * Which changes of the cluster suit a node as it is. The servers decide what is allowed; this is what the page offers. Pure.
 */

import type { Happened, Node } from "./cluster.ts";

export type Verb = "promote" | "activate" | "slave" | "master" | "part" | "balance" | "reconstruct" | "down" | "remove";

/** What somebody filled in. */
export interface ChangeForm {
  readonly verb: Verb;
  readonly node: string;
  readonly partition: number;
  readonly balance: number;
  /** The slaves of a new partition. */
  readonly slaves: readonly string[];
  /** Activate a new master when it has copied its keys. */
  readonly activate: boolean;
  /** Do it although data may be lost. */
  readonly unsafe: boolean;
}

/** The body of `/api/change`; what a verb is for is either nodes, or nodes with their balance and perhaps their partition. */
export interface ChangeRequest {
  readonly verb: Verb;
  readonly nodes?: readonly string[];
  readonly targets?: readonly { readonly node: string; readonly partition?: number; readonly balance: number }[];
  readonly options: { readonly activate?: boolean; readonly unsafe?: boolean };
  readonly dryRun?: true;
  /** The warnings have been seen. */
  readonly confirm?: true;
}

/** What a change that runs has said. */
export interface ChangeNews {
  readonly lines: readonly string[];
  /** Whether it has ended. */
  readonly hasEnded: boolean;
  /** Why it failed. */
  readonly error: string | undefined;
}

const FAILED = "failed: ";
const WITH_PARTITION: readonly Verb[] = ["slave", "master", "part"];
const WITH_BALANCE: readonly Verb[] = ["slave", "master", "part", "balance"];
const WITH_UNSAFE: readonly Verb[] = ["promote", "slave", "master", "activate", "reconstruct"];

/** What can be asked of a node, the likeliest first; `partners` could be its slaves. */
export function verbsFor({ role, state }: Pick<Node, "role" | "state">, partners: readonly string[]): Verb[] {
  if (state === "down") return ["activate", "remove"];
  if (role === "proxy") return ["slave", "master", ...(partners.length > 0 ? (["part"] as const) : []), "down"];
  if (role === "master") return state === "active" ? ["balance", "reconstruct", "down"] : ["activate", "balance", "down"];
  return state === "active" ? ["promote", "balance", "reconstruct", "down"] : ["activate", "balance", "reconstruct", "down"];
}

/** The nodes without a role that could get one together with this one. */
export function partnersOf({ key }: Pick<Node, "key">, nodes: readonly Pick<Node, "key" | "role" | "state">[]): string[] {
  return nodes.flatMap((node) => (node.role === "proxy" && node.state === "active" && node.key !== key ? [node.key] : []));
}

/** Whether a verb takes a partition. */
export function takesPartition(verb: Verb): boolean {
  return WITH_PARTITION.includes(verb);
}

/** Whether a verb takes a balance. */
export function takesBalance(verb: Verb): boolean {
  return WITH_BALANCE.includes(verb);
}

/** Whether a verb has an unsafe form. */
export function takesUnsafe(verb: Verb): boolean {
  return WITH_UNSAFE.includes(verb);
}

/** The request that a form asks for: a preview, or what was previewed and confirmed. */
export function changeRequest(form: ChangeForm, isPreview: boolean): ChangeRequest {
  const { verb, partition, balance, activate, unsafe } = form;
  const nodes = [form.node, ...(verb === "part" ? form.slaves : [])];
  const place = { ...(takesPartition(verb) ? { partition } : {}), balance };
  const what = takesBalance(verb) ? { targets: nodes.map((node) => ({ node, ...place })) } : { nodes };
  const options = {
    ...(verb === "master" ? { activate } : {}),
    ...(takesUnsafe(verb) && unsafe ? { unsafe } : {}),
  };
  return { verb, ...what, options, ...(isPreview ? { dryRun: true } : { confirm: true }) };
}

/**
 * What has been said of the change that runs, from the events after one: `what is changed: what is done`. A server carries
 * out one change at a time.
 */
export function changeNews(happened: readonly Happened[], afterId: number): ChangeNews {
  const lines = happened
    .filter(({ id, kind }) => kind === "change" && Number(id) > afterId)
    .map(({ text }) => text.slice(text.indexOf(": ") + 2));
  const end = lines.findIndex((line) => line === "done" || line.startsWith(FAILED));
  const last = lines[end];
  return {
    lines: end < 0 ? lines : lines.slice(0, end),
    hasEnded: end >= 0,
    error: last?.startsWith(FAILED) ? last.slice(FAILED.length) : undefined,
  };
}

/** The newest event. */
export function newestId(happened: readonly Happened[]): number {
  return Math.max(0, ...happened.map(({ id }) => Number(id)));
}
