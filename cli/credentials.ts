/**
 * The login of the operator's verbs: the name comes from the command line or the environment, the password from a file or the
 * environment, never from the command line, where everybody on the machine could read it.
 */

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { FlareError } from "../lib/base/errors.ts";

/** The options or environment variables for it. */
export interface CredentialTexts {
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** Adds the options. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option("--user <name>", "log in as this user (environment FLARE_USER)")
    .option(
      "--password-file <path>",
      "file with the password in its first line (environment FLARE_PASSWORD: the password itself)",
    );
}

/** The given name and password; empty without a name. @throws FlareError INVALID_OPTION */
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
    throw new FlareError("INVALID_OPTION", `option "user": "${name}" needs a password: "password-file" or FLARE_PASSWORD`);
  }
  return { user: name, password };
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, "utf8").split(/\r?\n/, 1)[0] ?? "";
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `option "password-file": "${path}" cannot be read: ${reason}`, {
      cause,
    });
  }
}
