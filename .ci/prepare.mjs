/**
 * The script `prepare`: builds `dist/` when the package is installed, from a clone's directory, from git, or in the
 * clone itself. npm installs a directory without what builds it (and, by a link, without what it runs on): then this
 * brings both. Does nothing where the installer builds afterwards.
 */

import process from "node:process";
import { hasBuilder, hasNpm, run, runBuilder, skipPrepare } from "./setup.mjs";

/** Settings of the npm that runs this which say what to install and where: not meant for the one it starts. */
const elsewhere =
  /^npm_config_(global|local_prefix|location|prefix|omit|include|only|also|production|optional|workspaces?|dry_run|install_.*|package_lock.*|save.*)$/i;

if (!skipPrepare()) {
  const withoutDevelopment = process.env.npm_config_omit?.includes("dev") ?? false;
  for (const name of Object.keys(process.env)) if (elsewhere.test(name)) delete process.env[name];
  if (hasBuilder()) {
    runBuilder();
  } else if (hasNpm()) {
    run("npm", ["ci", "--include=dev"], { prepare: false });
    runBuilder();
    if (withoutDevelopment) run("npm", ["prune", "--omit=dev"], { prepare: false });
  } else {
    console.log("not built: without npm, install the development packages, too; Deno and Bun run the sources as they are");
  }
}
