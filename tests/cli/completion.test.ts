/** The programs' self-description: examples in every help, completion in three shells, manual pages, and suggestions. */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createCommand } from "../../cli/command_line.ts";
import { completionScript, type Shell } from "../../cli/completion.ts";
import { daemonCommand } from "../../cli/daemon.ts";
import { flared, flarei } from "../../cli/daemon_programs.ts";
import { addExamples, examplesOf } from "../../cli/examples.ts";
import { manualPage } from "../../cli/manual.ts";
import { type Outline, outlineOf } from "../../cli/program_outline.ts";
import { selfDescriptionCommands } from "../../cli/self_description.ts";
import { clusterVerbs } from "../../cli/verbs.ts";
import { skipUnless } from "../support/skip.ts";
import { runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { isInstalled } from "../support/tools.ts";

let programs: Outline[];

before(() => {
  const flare = createCommand("flare", "Flare, a persistent memcached cluster.");
  for (const verb of [...clusterVerbs(), ...selfDescriptionCommands(flare)]) flare.addCommand(addExamples(verb));
  programs = [addExamples(flare), daemonCommand(flared), daemonCommand(flarei)].map(outlineOf);
});

/** All programs and verbs. */
function everything(): Outline[] {
  return programs.flatMap((program) => [program, ...program.verbs]);
}

/** Asks a shell what may stand in the place of the last word. */
async function complete(shell: Shell, words: readonly string[]): Promise<string[]> {
  let printed = "";
  await withTemporaryDirectory((directory) => {
    const script = join(directory, "script");
    writeFileSync(script, completionScript(shell, programs));
    const [program] = words;
    const ask =
      shell === "bash"
        ? `source ${script}; COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}
           _${program}; printf '%s\n' "\${COMPREPLY[@]}"`
        : `source ${script}; complete -C "${words.join(" ")}"`;
    printed = execFileSync(shell, ["-c", ask], { encoding: "utf8" });
  });
  return printed
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split("\t")[0] as string);
}

describe("every program and verb", () => {
  it("has examples, which are of options it has, at the end of its help", () => {
    for (const { name, options, notes, verbs } of everything()) {
      const examples = examplesOf(name);
      assert(examples.length > 0, `${name} has no example`);
      assert(notes.endsWith(examples.at(-1) as string), name);
      for (const example of examples) {
        const own = example.split(/ \|\| | \| | > /)[0] as string;
        const [, verb = ""] = /^flare (\w+)/.exec(own) ?? [];
        const known = name === "flare" ? (verbs.find((each) => each.name === verb)?.options ?? []) : options;
        for (const [flag] of own.matchAll(/(?<= )--?[a-z][a-z-]*/g)) {
          assert(
            known.some(({ short, long }) => flag === short || flag === long),
            `${example}: ${flag}`,
          );
        }
      }
    }
  });

  it("prints data instead of tables, if it prints any", () => {
    const others = ["up", "dump", "dumpkey", "completion", "man"];
    const [flare] = programs;
    for (const { name, options } of flare?.verbs ?? []) {
      const format = options.find(({ long }) => long === "--output-format");
      assertEquals([...(format?.choices ?? [])], others.includes(name) ? [] : ["table", "json"], name);
    }
  });

  it("is described", () => {
    for (const { name, description, options } of everything()) {
      assert(description !== "", name);
      for (const option of options) assert(option.description !== "", `${name} ${option.long}`);
    }
  });
});

describe("completion", () => {
  it("knows verbs, options and values in bash", { skip: skipUnless(isInstalled("bash"), "bash") }, async () => {
    assertEquals(await complete("bash", ["flare", "s"]), ["stats", "summary", "slow", "slave", "set", "scan"]);
    assertEquals(await complete("bash", ["flare", "slave", "--wi"]), ["--without-clean"]);
    assertEquals(await complete("bash", ["flare", "list", "-o", ""]), ["table", "json"]);
    assertEquals(await complete("bash", ["flare", "dump", "--output", ""]), []);
    assertEquals(await complete("bash", ["flared", "--server-"]), ["--server-name", "--server-socket", "--server-port"]);
    assertEquals(await complete("bash", ["flared", "--fsync", "a"]), ["always"]);
  });

  it("knows them in fish", { skip: skipUnless(isInstalled("fish"), "fish") }, async () => {
    assertEquals((await complete("fish", ["flare", "sl"])).includes("slave"), true);
    assertEquals(await complete("fish", ["flare", "slave", "--wi"]), ["--without-clean"]);
    assertEquals(await complete("fish", ["flare", "list", "-o", ""]), ["json", "table"]);
    assertEquals(await complete("fish", ["flared", "--server-na"]), ["--server-name"]);
  });

  it("is a script that zsh can read", { skip: skipUnless(isInstalled("zsh"), "zsh") }, async () => {
    await withTemporaryDirectory((directory) => {
      const script = join(directory, "_flare");
      writeFileSync(script, completionScript("zsh", programs));
      execFileSync("zsh", ["-n", script]);
      assertMatch(readFileSync(script, "utf8"), /^#compdef flare flared flarei\n/);
    });
  });
});

describe("manual pages", () => {
  it("have every verb and every option, and nothing roff stumbles over", () => {
    for (const program of programs) {
      const page = manualPage(program, ["flare"]);
      for (const { name, options } of [program, ...program.verbs]) {
        assertStringIncludes(page, name);
        for (const { long } of options) assertStringIncludes(page, `\\-\\-${long.slice(2).replaceAll("-", "\\-")}`);
      }
      for (const line of page.split("\n")) {
        if (/^[.']/.test(line)) assertMatch(line, /^\.(TH|SH|SS|TP|PP|B|BR|nf|fi)( |$)/);
        assertEquals(/\\(?![-e&])/.test(line), false, line);
      }
    }
  });

  it("are written by flare man", async () => {
    await withTemporaryDirectory(async (directory) => {
      assertEquals((await runProgram("flare", ["man", "--directory", join(directory, "man1")])).status, 0);
      assertEquals(readdirSync(join(directory, "man1")).sort(), ["flare.1", "flared.1", "flarei.1"]);
    });
  });
});

describe("a word that is nearly right", () => {
  it("is answered with the right one", async () => {
    for (const [program, args, meant] of [
      ["flare", ["lsit"], "(Did you mean list?)"],
      ["flare", ["list", "--ouput-format", "json"], "(Did you mean --output-format?)"],
      ["flared", ["--sever-port", "1"], "(Did you mean --server-port?)"],
    ] as const) {
      const { status, stderr } = await runProgram(program, args);
      assertEquals(status, 2);
      assertStringIncludes(stderr, meant);
    }
  });
});
