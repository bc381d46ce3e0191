#!/usr/bin/env node
/** `flare`: `flare up` runs an index server and its nodes in this process; the other verbs are for operators of any cluster. */

import process from "node:process";
import { createCommand, expandAbbreviations } from "./command_line.ts";
import { addExamples } from "./examples.ts";
import { runMain } from "./main.ts";
import { endWithReader } from "./output.ts";
import { selfDescriptionCommands } from "./self_description.ts";
import { clusterVerbs } from "./verbs.ts";

await runMain("flare", async () => {
  const flare = createCommand("flare", "Flare, a persistent memcached cluster.");
  endWithReader();
  for (const command of [...clusterVerbs(), ...selfDescriptionCommands(flare)]) {
    command.showHelpAfterError(`(see flare ${command.name()} --help for what is allowed)`);
    flare.addCommand(addExamples(command));
  }
  addExamples(flare);
  const args = process.argv.slice(2);
  const verb = flare.commands.find((command) => command.name() === args[0]) ?? flare;
  await flare.parseAsync(expandAbbreviations(args, verb), { from: "user" });
});
