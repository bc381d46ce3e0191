/**
 * A server's commands as a table: one row per word, which says who may run the command, what executes it, and what
 * docs/protocol.md says about it. A row can have several forms, distinguished by the words after the command (`stats reset`).
 * The table's type requires a row for each word, so a command that is not executed or classified does not compile. Knows no
 * command.
 */

import { latin1 } from "../base/bytes.ts";
import {
  Command as CommandNumber,
  CommandShape,
  CommandTable,
  type CommandWord,
  commandName,
  shapeOf,
} from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import type { ClientSession } from "./connection/client_session.ts";

/** Longest command, and longest answer, in the log. */
const AUDITED_MAX = 300;

/** Who may run a command: every client, or only those in `admin-access`. */
export type CommandAccess = "everyone" | "operators";

/** Executes a request with the server's parts; a promise means that the reply comes later. */
export type Run<Parts> = (parts: Parts, request: Request, reply: TextReply, session: ClientSession) => void | Promise<void>;

/** A line of the documentation: the request after its word, and the answer, as Markdown. */
export type DocumentLine = readonly [request: string, answer: string];

/** A command, or one form of it. */
export interface CommandForm<Parts> {
  readonly access: CommandAccess;
  readonly run: Run<Parts>;
  /** Operators do it, so the log notes who did and what became of it; a function says which requests are theirs. */
  readonly audited?: true | ((words: readonly string[]) => boolean);
  /** The table of docs/protocol.md that has its lines. */
  readonly section: string;
  readonly lines: readonly [DocumentLine, ...DocumentLine[]];
}

/** A command whose forms are distinguished by the word, or the two words, after it; "" = none. */
export interface CommandForms<Parts> {
  readonly forms: Readonly<Record<string, CommandForm<Parts>>>;
  /** Who gets `ERROR` for other words. Everybody else gets the error that the command is not allowed. */
  readonly others: CommandAccess;
}

export type CommandRow<Parts> = CommandForm<Parts> | CommandForms<Parts>;
export type CommandRows<Parts, Word extends CommandWord> = { readonly [W in Word]: CommandRow<Parts> };

/** A row, made ready for requests. */
interface ReadyRow<Parts> {
  readonly run: Run<Parts>;
  /** Undefined: it depends on the words after the command. */
  readonly access: CommandAccess | undefined;
  accessTo(words: readonly string[]): CommandAccess;
}

/** The commands of one kind of server, by number. */
export class CommandSet<Parts> {
  /** Its words, for the parser. */
  readonly words: CommandTable;
  readonly #rows: readonly ReadyRow<Parts>[];

  constructor(rows: { readonly [W in CommandWord]?: CommandRow<Parts> }, options: { readonly takesNodeMaps: boolean }) {
    const words = Object.keys(rows) as CommandWord[];
    this.words = new CommandTable(words, options);
    const ready: ReadyRow<Parts>[] = [];
    for (const word of words) ready[CommandNumber[word]] = makeReady(rows[word] as CommandRow<Parts>);
    this.#rows = ready;
  }

  /** Executes a request that was parsed with these words. */
  run(parts: Parts, request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return (this.#rows[request.command] as ReadyRow<Parts>).run(parts, request, reply, session);
  }

  /** Whether only operators may make this request. */
  isPrivileged(request: Request): boolean {
    // The node prefix of a forwarded request makes it privileged.
    if (request.prefix !== undefined) return true;
    const row = this.#rows[request.command] as ReadyRow<Parts>;
    return (row.access ?? row.accessTo(request.words)) === "operators";
  }
}

function makeReady<Parts>(row: CommandRow<Parts>): ReadyRow<Parts> {
  if (!("forms" in row)) return { run: withAudit(row), access: row.access, accessTo: () => row.access };
  const forms = new Map(Object.entries(row.forms).map(([name, form]) => [name, { ...form, run: withAudit(form) }]));
  const formOf = ([first = "", second = ""]: readonly string[]): CommandForm<Parts> | undefined =>
    forms.get(`${first} ${second}`) ?? forms.get(first);
  return {
    run: (parts, request, reply, session) => {
      const form = formOf(request.words);
      return form === undefined ? reply.line("ERROR") : form.run(parts, request, reply, session);
    },
    access: undefined,
    accessTo: (words) => formOf(words)?.access ?? row.others,
  };
}

/** What executes a form, and notes it in the log where that is wanted. */
function withAudit<Parts>({ run, audited }: CommandForm<Parts>): Run<Parts> {
  if (audited === undefined) return run;
  return (parts, request, reply, session) => {
    const { words } = request;
    // What a node passes on was noted where it came from.
    if (request.prefix !== undefined || (audited !== true && !audited(words))) return run(parts, request, reply, session);
    return noted(request, reply, session, () => run(parts, request, reply, session));
  };
}

/** Executes a request, and then notes it with the first line of its answer. */
export function noted(
  request: Request,
  reply: TextReply,
  session: ClientSession,
  run: () => void | Promise<void>,
): void | Promise<void> {
  const what = [commandName(request.command), ...request.words].join(" ").slice(0, AUDITED_MAX);
  const { segment } = reply;
  const { length, size } = segment;
  const note = (): void => {
    // Where the beginning has been sent already, it is not there any more.
    const isWhole = segment.size - size === segment.length - length;
    const text = isWhole ? latin1(segment.bytes, length, Math.min(segment.length, length + AUDITED_MAX)) : "answered";
    session.audit(what, text === "" ? "no reply" : (text.split("\r\n", 1)[0] as string));
  };
  const waiting = run();
  if (waiting === undefined) return note();
  return waiting.finally(note);
}

/** One documented way to use a command. */
export interface CommandUse {
  readonly section: string;
  /** The whole request, as Markdown. */
  readonly request: string;
  readonly answer: string;
  readonly access: CommandAccess;
}

const SHAPES_WITH_DATA: ReadonlySet<CommandShape> = new Set([
  CommandShape.storage,
  CommandShape.metaStorage,
  CommandShape.block,
]);

/** All documentation lines of a table, in order. */
export function usesOf<Parts>(rows: { readonly [W in CommandWord]?: CommandRow<Parts> }): CommandUse[] {
  return (Object.keys(rows) as CommandWord[]).flatMap((word) => {
    const row = rows[word] as CommandRow<Parts>;
    const shape = shapeOf(CommandNumber[word]);
    const data = SHAPES_WITH_DATA.has(shape) ? ", data" : "";
    const named = "forms" in row ? Object.entries(row.forms) : ([["", row]] as const);
    return named.flatMap(([name, { section, lines, access }]) =>
      lines.map(([words, answer]) => {
        const request = [word, name, words].filter((part) => part !== "").join(" ");
        return { section, request: `\`${request}\`${data}`, answer, access };
      }),
    );
  });
}

/** The privileged commands, or their privileged forms. */
export function privilegedUses<Parts>(rows: { readonly [W in CommandWord]?: CommandRow<Parts> }): string[] {
  return (Object.keys(rows) as CommandWord[]).flatMap((word) => {
    const row = rows[word] as CommandRow<Parts>;
    if (!("forms" in row)) return row.access === "operators" ? [word] : [];
    const forms = Object.entries(row.forms);
    const privileged = forms.filter(([, { access }]) => access === "operators").map(([name]) => `${word} ${name}`);
    return privileged.length === forms.length && row.others === "operators" ? [word] : privileged;
  });
}
