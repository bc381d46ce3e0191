#!/usr/bin/env node
/**
 * `flare`: `flare up` runs an index server and its nodes in this one process; the other verbs are the operator's, for
 * any cluster there is.
 */

import process from "node:process";
import { exposureWarning } from "../lib/net/exposure.ts";
import { startCluster } from "../mod.ts";
import { changeCommands } from "./admin_changes.ts";
import { dataCommands } from "./admin_data.ts";
import { scanCommands } from "./admin_scan.ts";
import { watchCommands } from "./admin_watch.ts";
import { addOptions, createCommand, expandAbbreviations, givenFlags, readSettings } from "./command_line.ts";
import { addExamples } from "./examples.ts";
import { handleSignals, runMain } from "./main.ts";
import { endWithReader } from "./output.ts";
import { selfDescriptionCommands } from "./self_description.ts";
import { upOptions, upOptionTable } from "./up_options.ts";

await runMain("flare", async () => {
  const flare = createCommand("flare", "Flare, a persistent memcached cluster.");
  const up = createCommand("up", "run a whole cluster in this process: an index server and its nodes");
  addOptions(up, upOptionTable);
  up.action(() => runCluster(givenFlags(up, upOptionTable)));
  endWithReader();
  const verbs = [up, ...watchCommands(), ...changeCommands(), ...dataCommands(), ...scanCommands()];
  for (const command of [...verbs, ...selfDescriptionCommands(flare)]) {
    command.showHelpAfterError(`(see flare ${command.name()} --help for what is allowed)`);
    flare.addCommand(addExamples(command));
  }
  addExamples(flare);
  const args = process.argv.slice(2);
  const verb = flare.commands.find((command) => command.name() === args[0]) ?? flare;
  await flare.parseAsync(expandAbbreviations(args, verb), { from: "user" });
});

async function runCluster(flags: Readonly<Record<string, string>>): Promise<void> {
  const options = upOptions(readSettings(upOptionTable, flags).values);
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const { authFile, authExempt, authTimeoutMs, clusterUser, adminAccess, requestTimeoutMs, ...others } = options;
  const access = { authFile, authExempt, authTimeoutMs, clusterUser, adminAccess, requestTimeoutMs };
  const { enableSsl, sslChainCert, sslKey, sslCaCert, sslVerifyMode, sslMinVersion, ...shape } = others;
  const tls = enableSsl ? { tls: { sslChainCert, sslKey, sslCaCert, sslVerifyMode, sslMinVersion } } : {};
  const starting = startCluster({ ...shape, ...tls, access, onProgress: say });
  handleSignals("flare", {
    async stop() {
      say("stopping");
      await (await starting).stop();
      say("stopped");
    },
    async reload() {
      await (await starting).reload();
      say("files read again");
    },
  });
  const cluster = await starting;
  const warning = exposureWarning([cluster.indexAddress, ...cluster.addresses], options);
  if (warning !== undefined) process.stderr.write(`flare: ${warning}\n`);
  say(`index server on ${cluster.indexAddress.host}:${cluster.indexAddress.port}`);
  for (const { host, port } of cluster.addresses) say(`node server on ${host}:${port}`);
  say("ready: connect any memcached client to any of the node servers; Ctrl-C stops");
}
