/**
 * The command tables in docs/protocol.md, and the list of privileged commands in docs/operations.md, are those of the
 * servers' command tables. With `UPDATE_DOCUMENTS=1` in the environment they are written instead of compared.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { indexCommands } from "../../lib/index_server/index_command_table.ts";
import { type CommandUse, privilegedUses, usesOf } from "../../lib/net/command_rows.ts";
import { nodeCommands } from "../../lib/node_server/node_command_table.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";

const END = "<!-- end of commands -->";
const uses = [...usesOf(nodeCommands), ...usesOf(indexCommands)];
const sections = [...new Set(uses.map(({ section }) => section))];

/** A table of commands as it stands in the document. */
function table(rows: readonly CommandUse[]): string {
  const lines = rows.map(({ request, answer, access }) => {
    const cells = [request, answer, access === "operators" ? "operators" : "all"];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  });
  return `| request | answer | for |\n|---|---|---|\n${lines.join("")}`;
}

function check(document: string, mark: string, expected: string): void {
  const text = readRepositoryFile(document);
  const start = text.indexOf(`${mark}\n`) + mark.length + 1;
  const end = text.indexOf(END, start);
  assert(start > mark.length && end >= 0, `${document} has no place for "${mark}"`);
  if (process.env.UPDATE_DOCUMENTS === "1") {
    writeFileSync(repositoryRoot + document, text.slice(0, start) + expected + text.slice(end));
  } else {
    assertEquals(text.slice(start, end), expected, `run this test with UPDATE_DOCUMENTS=1 to write it into ${document}`);
  }
}

describe("documents on commands", () => {
  for (const section of sections) {
    it(`have all commands of "${section}"`, () => {
      check("docs/protocol.md", `<!-- commands: ${section} -->`, table(uses.filter((use) => use.section === section)));
    });
  }

  it("have no table beside those of the sections", () => {
    const marks = [...readRepositoryFile("docs/protocol.md").matchAll(/<!-- commands: (.*) -->/g)].map(([, name]) => name);
    assertEquals(marks.sort(), [...sections].sort());
  });

  it("say which commands are for operators", () => {
    const list = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(", ");
    const rows = [
      `| a node server | ${list(privilegedUses(nodeCommands))} |`,
      `| an index server | ${list(privilegedUses(indexCommands))} |`,
    ];
    check("docs/operations.md", "<!-- commands of operators -->", `| at | privileged |\n|---|---|\n${rows.join("\n")}\n`);
  });
});
