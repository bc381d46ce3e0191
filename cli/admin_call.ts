/** `flare call`: one command to all nodes, and the answer of each. */

import process from "node:process";
import type { Command } from "commander";
import { type CallAnswer, callServers, parseCall } from "../lib/admin/call.ts";
import { parseNodeKey } from "../lib/admin/node_targets.ts";
import { FlareError } from "../lib/base/errors.ts";
import { addTableOptions, createVerb, withAdmin } from "./admin_connection.ts";
import { ExitStatus } from "./main.ts";
import { printJson, printLines } from "./output.ts";

const help = `
The commands are those that a server executes for itself: stats and its forms, show variables, version, ping, verbosity,
cache_memlimit, lru_crawler, refresh_certs, kill; meta at index servers. Every line begins with the server that sent it.

Exit status: 0 all have answered, 1 a server has not, or with an error, 2 it is no such command.`;

/** The verb. */
export function callCommand(): Command {
  const command = addTableOptions(createVerb("call", "send a command to every node, and show what each of them answers"))
    .argument("<command...>", "the command, such as: stats settings")
    .option("--node <host:port,...>", "only these servers")
    .option("--index", "the index servers instead of the nodes")
    .addHelpText("after", help);
  return command.action((words: string[], options: { node?: string; index?: true; outputFormat: string }) =>
    withAdmin(command, async (admin) => {
      const call = parseCall(words);
      if (options.node !== undefined && options.index) {
        throw new FlareError("INVALID_OPTION", 'options "node" and "index" are both given: use only one');
      }
      const nodes = async () => (await admin.nodeMap()).nodes.map(({ key }) => key);
      const given = options.node?.split(",").map((name) => parseNodeKey(name.trim()));
      const answers = await callServers(admin, call, given ?? (options.index ? admin.indexKeys : await nodes()));
      if (answers.some(isBad)) process.exitCode = ExitStatus.failed;
      if (options.outputFormat === "json") return printJson(answers);
      const width = answers.reduce((widest, { server }) => Math.max(widest, server.length), 0);
      await printLines(answers.flatMap(({ server, lines }) => lines.map((line) => `${server.padEnd(width)} ${line}`)));
      for (const { server, problem } of answers) {
        if (problem !== undefined) process.stderr.write(`flare: "${server}": ${problem}\n`);
      }
    }),
  );
}

function isBad({ lines, problem }: CallAnswer): boolean {
  return problem !== undefined || /^(ERROR$|(CLIENT|SERVER)_ERROR )/.test(lines[0] ?? "");
}
