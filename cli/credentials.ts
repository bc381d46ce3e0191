/**
 * Who an operator's verb says it is: a name from the command line or the environment, a password from a file or the
 * environment, never from the command line, where everybody on the machine can read it.
 */

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { FlareError } from "../lib/base/errors.ts";

/** What an option or environment variable may say about it. */
export interface CredentialTexts {
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** Adds the options. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option("--user <name>", "log in by this name (environment FLARE_USER)")
    .option(
      "--password-file <path>",
      "file whose first line is the password (environment FLARE_PASSWORD: the password itself)",
    );
}

/** The name and password that are given; empty if there is no name. @throws FlareError INVALID_OPTION */
export function givenCredentials(
  { user = "", passwordFile = "" }: CredentialTexts,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly user: string; readonly password: string } | Record<string, never> {
  const name = user || environment.FLARE_USER || "";
  if (name === "") {
    if (passwordFile === "") return {};
    throw new FlareError("INVALID_OPTION", `option "password-file": "${passwordFile}" needs "user"`);
  }
  const password = passwordFile === "" ? (environment.FLARE_PASSWORD ?? "") : firstLine(passwordFile);
  if (password === "") {
    throw new FlareError("INVALID_OPTION", `option "user": "${name}" needs a password by "password-file" or FLARE_PASSWORD`);
  }
  return { user: name, password };
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, "utf8").split(/\r?\n/, 1)[0] ?? "";
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `option "password-file": "${path}" is not a file that can be read: ${reason}`, {
      cause,
    });
  }
}
