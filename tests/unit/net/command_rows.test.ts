/** What a server makes of its table of commands: which row executes a request, who may make it, what is documented. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { latin1 } from "../../../lib/base/bytes.ts";
import { type CommandForm, type CommandRows, CommandSet, privilegedUses, usesOf } from "../../../lib/net/command_rows.ts";
import type { ClientSession } from "../../../lib/net/connection/client_session.ts";
import { BufferPool } from "../../../lib/protocol/buffer_pool.ts";
import { Command, type CommandWord } from "../../../lib/protocol/command.ts";
import { ReplySegment } from "../../../lib/protocol/reply_segment.ts";
import { Request } from "../../../lib/protocol/request.ts";
import { TextReply } from "../../../lib/protocol/text/text_reply.ts";

/** A form that answers with its name and the server's. */
function form(name: string, access: "everyone" | "operators" = "everyone"): CommandForm<string> {
  return {
    access,
    run: (server, _request, reply) => reply.line(`${name} ${server}`),
    section: "all",
    lines: [["<a|b>", name]],
  };
}

const ROWS = {
  get: form("get"),
  set: form("set"),
  kill: form("kill", "operators"),
  stats: {
    forms: {
      "": form("all"),
      reset: form("reset", "operators"),
      detail: form("detail", "operators"),
      "detail dump": form("dump"),
    },
    others: "everyone",
  },
  node: { forms: { sync: form("sync", "operators") }, others: "operators" },
} as const satisfies CommandRows<string, "get" | "set" | "kill" | "stats" | "node">;
const set = new CommandSet<string>(ROWS, { takesNodeMaps: true });

function asked(word: CommandWord, words: readonly string[] = [], prefix?: string): Request {
  return Object.assign(new Request(), { command: Command[word], words, prefix });
}

function answer(word: CommandWord, ...words: readonly string[]): string {
  const segment = new ReplySegment(new BufferPool());
  set.run("here", asked(word, words), new TextReply(segment), {} as ClientSession);
  return latin1(segment.bytes, 0, segment.length);
}

describe("a table of commands", () => {
  it("executes a request by its row, and by the form its words name", () => {
    assertEquals(answer("get"), "get here\r\n");
    assertEquals(answer("stats"), "all here\r\n");
    assertEquals(answer("stats", "reset", "more"), "reset here\r\n");
    assertEquals(answer("stats", "detail"), "detail here\r\n");
    assertEquals(answer("stats", "detail", "on"), "detail here\r\n");
    assertEquals(answer("stats", "detail", "dump", "more"), "dump here\r\n");
    for (const words of [["reset dump"], ["toString"], ["dump"], ["RESET"]])
      assertEquals(answer("stats", ...words), "ERROR\r\n");
    assertEquals(answer("node"), "ERROR\r\n");
  });

  it("says who may make a request", () => {
    const isPrivileged = (word: CommandWord, ...words: readonly string[]): boolean => set.isPrivileged(asked(word, words));
    assertEquals([isPrivileged("get"), isPrivileged("kill", "1")], [false, true]);
    assertEquals([isPrivileged("stats"), isPrivileged("stats", "reset")], [false, true]);
    assertEquals([isPrivileged("stats", "detail", "on"), isPrivileged("stats", "detail", "dump")], [true, false]);
    assertEquals(
      [isPrivileged("stats", "unknown"), isPrivileged("node", "unknown"), isPrivileged("node")],
      [false, true, true],
    );
    assertEquals(set.isPrivileged(asked("get", [], "")), true, "what a node has passed on");
  });

  it("has the lines of the documents", () => {
    assertEquals(
      usesOf(ROWS).map(({ request, access }) => `${request} ${access}`),
      [
        "`get <a|b>` everyone",
        "`set <a|b>`, data everyone",
        "`kill <a|b>` operators",
        "`stats <a|b>` everyone",
        "`stats reset <a|b>` operators",
        "`stats detail <a|b>` operators",
        "`stats detail dump <a|b>` everyone",
        "`node sync <a|b>` operators",
      ],
    );
    assertEquals(privilegedUses(ROWS), ["kill", "stats reset", "stats detail", "node"]);
  });

  it("does not compile without a row for each word, or with one that says too little", () => {
    // @ts-expect-error no row for set
    ({ get: form("get") }) satisfies CommandRows<string, "get" | "set">;
    // @ts-expect-error a word the server does not know
    ({ get: form("get"), set: form("set") }) satisfies CommandRows<string, "get">;
    const { access, ...open } = form("get");
    // @ts-expect-error nobody says who may run it
    ({ get: open }) satisfies CommandRows<string, "get">;
    const { run, ...idle } = form("get");
    // @ts-expect-error nothing executes it
    ({ get: idle }) satisfies CommandRows<string, "get">;
    const { lines, ...secret } = form("get");
    // @ts-expect-error nothing documents it
    ({ get: secret }) satisfies CommandRows<string, "get">;
    assertEquals([access, typeof run, lines.length], ["everyone", "function", 1]);
  });

  it("notes what operators do, with the first line of the answer, early or late", async () => {
    const noted: string[] = [];
    const session = { audit: (what: string, result: string) => void noted.push(`${what} > ${result}`) } as ClientSession;
    let answerLate!: () => void;
    const late: CommandForm<string> = {
      ...form("late", "operators"),
      audited: true,
      run: async (_server, _request, reply) => {
        await new Promise<void>((resolve) => {
          answerLate = resolve;
        });
        reply.line("LATE");
        reply.line("second");
      },
    };
    const rows = {
      get: form("get"),
      set: late,
      kill: { ...form("kill", "operators"), audited: true },
      stats: { forms: { reset: { ...form("reset"), audited: true, run: () => undefined } }, others: "everyone" },
      node: {
        forms: { sync: { ...form("sync"), audited: ([, second]: readonly string[]) => second === "me" } },
        others: "operators",
      },
    } as const satisfies CommandRows<string, "get" | "set" | "kill" | "stats" | "node">;
    const audited = new CommandSet<string>(rows, { takesNodeMaps: true });
    const segment = new ReplySegment(new BufferPool());
    const run = (word: CommandWord, words: readonly string[] = [], prefix?: string): void | Promise<void> =>
      audited.run("here", asked(word, words, prefix), new TextReply(segment), session);
    void run("get");
    void run("kill", ["1"]);
    void run("kill", ["2"], "<>");
    void run("stats", ["reset"]);
    void run("node", ["sync", "you"]);
    void run("node", ["sync", "me"]);
    assertEquals(noted.splice(0), ["kill 1 > kill here", "stats reset > no reply", "node sync me > sync here"]);
    const waiting = run("set", ["a"]);
    assertEquals(noted, []);
    answerLate();
    await waiting;
    assertEquals(noted, ["set a > LATE"]);
  });
});
