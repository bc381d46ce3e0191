/**
 * The option tables in docs/operations.md are the ones the programs have, and no document names an option that does not
 * exist. With `UPDATE_DOCUMENTS=1` in the environment the tables are written instead of compared.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { upOptionTable } from "../../cli/up_options.ts";
import type { OptionTable } from "../../lib/base/option_schema.ts";
import { indexOptionTable } from "../../lib/index_server/index_options.ts";
import { nodeOptionTable } from "../../lib/node_server/node_options.ts";
import { readRepositoryFile, repositoryFiles, repositoryRoot } from "../support/repository.ts";

const document = "docs/operations.md";
const programs: readonly (readonly [name: string, table: OptionTable])[] = [
  ["flare up", upOptionTable],
  ["flared", nodeOptionTable],
  ["flarei", indexOptionTable],
];

/** A table of options as it stands in the document. */
function rows(table: OptionTable): string {
  const lines = Object.values(table).map((option) => {
    const short = option.short === undefined ? "" : `, \`-${option.short}\``;
    const preset = option.format(option.default);
    const notes = [
      ...(option.commandLineOnly ? ["Command line only."] : []),
      ...(option.withoutEffect !== undefined ? [`No effect: ${option.withoutEffect}.`] : option.reloadable ? ["Reload."] : []),
    ];
    const meaning = notes.length === 0 ? option.help : `${option.help}. *${notes.join(" ")}*`;
    const cells = [`\`${option.name}\`${short}`, preset === "" ? "" : `\`${preset}\``, option.allowed, option.since, meaning];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return ["| option | default | value | since | |", "|---|---|---|---|---|", ...lines].join("\n");
}

/** Commands of other programs, which have options of their own: a line of a block, or what stands between backquotes. */
const OTHERS = "docker|kubectl|systemctl|npm|install|debootstrap|systemd-nspawn";
const OF_OTHERS = new RegExp(`^(.*{ )?(${OTHERS}) .*$|\`(${OTHERS}|journalctl|buildah) [^\`]*\``, "gm");

describe("documents on options", () => {
  for (const [name, table] of programs) {
    it(`have all options of ${name}`, () => {
      const text = readRepositoryFile(document);
      const [head, rest] = text.split(`<!-- options of ${name} -->\n`);
      const end = rest?.indexOf("<!-- end of options -->") ?? -1;
      assert(head !== undefined && rest !== undefined && end >= 0, `${document} has no place for the options of ${name}`);
      if (process.env.UPDATE_DOCUMENTS === "1") {
        writeFileSync(repositoryRoot + document, `${head}<!-- options of ${name} -->\n${rows(table)}\n${rest.slice(end)}`);
      } else {
        const hint = `run this test with UPDATE_DOCUMENTS=1 to write the table into ${document}`;
        assertEquals(rest.slice(0, end), `${rows(table)}\n`, hint);
      }
    });
  }

  it("name no option that does not exist", () => {
    const commandLine = [
      ...repositoryFiles("cli", ".ts"),
      "tests/simulation/sim.ts",
      "tests/simulation/cut_power.ts",
      "tests/simulation/planted/find_bugs.ts",
      "tests/chaos/chaos.ts",
      "tests/chaos/kill_leaders.ts",
      "tests/fuzz/fuzz.ts",
      "bench/load/load.ts",
      ".ci/test.mjs",
      ".ci/coverage.mjs",
    ]
      .map(readRepositoryFile)
      .join("");
    const known = new Set([
      ...programs.flatMap(([, table]) =>
        Object.values(table).flatMap(({ name, ...option }) => [name, option.format(option.default)]),
      ),
      ...[...commandLine.matchAll(/--([a-z][a-z-]+)/g)].map(([, name]) => name),
      // Options of other programs that are shown in use, and names of packages and the like.
      ...["allow-all", "unsafe-proto", "import", "test"],
      ...[
        "flare-kv",
        "flare-server",
        "abstract-level",
        "memory-level",
        "classic-level",
        "rocks-level",
        "memcache-client",
        "prom-client",
        "node-zookeeper-client",
        "puppeteer-core",
        "axe-core",
        // A header and a file.
        "flare-token",
        "http-token",
        // Programs and packages that deployment is checked with.
        "systemd-notify",
        "dockerfile-utils",
        "kubernetes-models",
      ],
    ]);
    const unknown: string[] = [];
    for (const path of repositoryFiles("", ".md")) {
      const text = readRepositoryFile(path);
      const flags = [...text.replaceAll(OF_OTHERS, "").matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)];
      const words = [...text.matchAll(/`([a-z]+(?:-[a-z]+)+)(?: = [^`]*)?`/g)];
      for (const [, name = ""] of [...flags, ...words]) if (!known.has(name)) unknown.push(`${path}: ${name}`);
    }
    assertEquals(unknown, []);
  });
});
