/** The verbs that describe the programs: `completion` for shells, `man` for manual pages. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Argument, type Command } from "commander";
import { fromLatin1 } from "../lib/base/bytes.ts";
import { createCommand } from "./command_line.ts";
import { completionScript, type Shell, shells } from "./completion.ts";
import { daemonCommand } from "./daemon.ts";
import { flared, flarei } from "./daemon_programs.ts";
import { manualPage } from "./manual.ts";
import { writeOut } from "./output.ts";
import { writeResult } from "./output_file.ts";
import { type Outline, outlineOf } from "./program_outline.ts";

const programNames = ["flare", "flared", "flarei"] as const;

/** The verbs; when they run, `flare` already has all others. */
export function selfDescriptionCommands(flare: Command): Command[] {
  return [completionCommand(flare), manCommand(flare)];
}

function completionCommand(flare: Command): Command {
  return createCommand("completion", "print a shell completion script for flare, flared and flarei")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .action((shell: Shell) => writeOut(utf8(completionScript(shell, outlines(flare)))));
}

function manCommand(flare: Command): Command {
  return createCommand("man", "print the manual page of a program, or write all of them into a directory")
    .addArgument(new Argument("[program]", "the program").choices(programNames).default("flare"))
    .option("--directory <path>", "write flare.1, flared.1 and flarei.1 into this directory")
    .action(async (program: string, { directory }: { directory?: string }) => {
      const pages = outlines(flare).map((outline) => ({
        name: outline.name,
        page: utf8(
          manualPage(
            outline,
            programNames.filter((other) => other !== outline.name),
          ),
        ),
      }));
      if (directory === undefined) return writeOut(pages.find(({ name }) => name === program)?.page ?? fromLatin1(""));
      await mkdir(directory, { recursive: true });
      for (const { name, page } of pages) await writeResult(join(directory, `${name}.1`), (write) => write(page));
    });
}

function outlines(flare: Command): Outline[] {
  return [flare, daemonCommand(flared), daemonCommand(flarei)].map(outlineOf);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
