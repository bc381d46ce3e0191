/**
 * What one key of a memcached with versions does: the commands, and a sequential model of them for the linearizability checker.
 * The version is 1 after the first write and one more after each further change; a deletion keeps it and `touch` does not
 * change it. Expiry stays out: no item of a simulation expires while it runs.
 */

import { NON_NUMERIC } from "../protocol/text/refusal_lines.ts";
import type { SequentialModel, TimedOperation } from "./linearizability.ts";
import type { ClientAnswer } from "./sim_client.ts";

export type ItemCommand =
  | { readonly name: "get" | "gets" | "delete" }
  | { readonly name: "touch"; readonly expire: number }
  | {
      readonly name: "set" | "add" | "replace" | "append" | "prepend";
      readonly flags: number;
      readonly expire: number;
      readonly value: string;
    }
  | { readonly name: "cas"; readonly flags: number; readonly expire: number; readonly value: string; readonly version: string }
  | { readonly name: "incr" | "decr"; readonly delta: number };

/** An operation as the model sees it; without an answer it may have been executed. */
export interface ItemOperation extends TimedOperation {
  readonly command: ItemCommand;
  readonly answer: ClientAnswer | undefined;
}

/** `value` undefined: there is no item. */
export interface ItemState {
  readonly value: string | undefined;
  readonly flags: number;
  /** Of the item, or of the deleted one; 0 = there never was one. */
  readonly version: number;
}

/** What a command is answered in a state, and the state it leaves. */
interface Outcome {
  readonly answer: string;
  readonly next: ItemState;
}

const MISS = "END";

export function isRead({ name }: ItemCommand): boolean {
  return name === "get" || name === "gets";
}

/** A command as it goes to a server. */
export function encodeCommand(key: string, command: ItemCommand): string {
  switch (command.name) {
    case "get":
    case "gets":
    case "delete":
      return `${command.name} ${key}\r\n`;
    case "touch":
      return `touch ${key} ${command.expire}\r\n`;
    case "incr":
    case "decr":
      return `${command.name} ${key} ${command.delta}\r\n`;
    default: {
      const { name, flags, expire, value } = command;
      const version = name === "cas" ? ` ${command.version}` : "";
      return `${name} ${key} ${flags} ${expire} ${value.length}${version}\r\n${value}\r\n`;
    }
  }
}

/**
 * The answer in the words of the model. Undefined if it says nothing: the request may have been executed all the same. The
 * commands above are well-formed, so CLIENT_ERROR is an answer like any other.
 */
export function answerText(key: string, answer: ClientAnswer | undefined): string | undefined {
  switch (answer?.kind) {
    case "line":
      return answer.line;
    case "items":
      if (answer.items.length === 0) return MISS;
      return answer.items.map((item) => (item.key === key ? valueText(item) : `VALUE ${item.key}`)).join();
    case "error":
      return answer.error.startsWith("CLIENT_ERROR") ? answer.error : undefined;
    default:
      return undefined;
  }
}

/** The model of the item `key`. */
export function itemModel(key: string): SequentialModel<ItemState, ItemOperation> {
  return {
    initial: { value: undefined, flags: 0, version: 0 },
    step(state, { command, answer }) {
      const { answer: expected, next } = execute(state, command);
      const text = answerText(key, answer);
      if (text === undefined) return next === state ? [] : [next];
      return text === expected ? [next] : [];
    },
    keyOf: ({ value, flags, version }) => (value === undefined ? `${version}` : `${version} ${flags} ${value}`),
  };
}

/** One command on one state. */
export function execute(state: ItemState, command: ItemCommand): Outcome {
  const { value, flags, version } = state;
  const stored = (changed: { readonly value: string; readonly flags: number }): Outcome => ({
    answer: "STORED",
    next: { ...changed, version: version + 1 },
  });
  const refused = (answer: string): Outcome => ({ answer, next: state });
  switch (command.name) {
    case "get":
      return refused(value === undefined ? MISS : valueText({ flags, value, version: undefined }));
    case "gets":
      return refused(value === undefined ? MISS : valueText({ flags, value, version: String(version) }));
    case "set":
      return stored(command);
    case "add":
      return value === undefined ? stored(command) : refused("NOT_STORED");
    case "replace":
      return value === undefined ? refused("NOT_STORED") : stored(command);
    case "append":
      return value === undefined ? refused("NOT_STORED") : stored({ flags, value: value + command.value });
    case "prepend":
      return value === undefined ? refused("NOT_STORED") : stored({ flags, value: command.value + value });
    case "cas":
      if (value === undefined) return refused("NOT_FOUND");
      return command.version === String(version) ? stored(command) : refused("EXISTS");
    case "incr":
    case "decr": {
      if (value === undefined) return refused("NOT_FOUND");
      if (!/^\d+$/.test(value)) return refused(NON_NUMERIC);
      const { delta } = command;
      const number = String(command.name === "incr" ? Number(value) + delta : Math.max(0, Number(value) - delta));
      return { answer: number, next: { value: number, flags, version: version + 1 } };
    }
    case "delete":
      if (value === undefined) return refused("NOT_FOUND");
      return { answer: "DELETED", next: { value: undefined, flags: 0, version } };
    case "touch":
      return refused(value === undefined ? "NOT_FOUND" : "TOUCHED");
  }
}

/** A found item; `get` shows no version. */
function valueText(item: { readonly flags: number; readonly value: string; readonly version: string | undefined }): string {
  const version = item.version === undefined ? "" : `version ${item.version} `;
  return `${version}flags ${item.flags} "${item.value}"`;
}
