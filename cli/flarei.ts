#!/usr/bin/env node
/** `flarei`, an index server: keeps the node map, monitors the nodes, promotes slaves. */

import process from "node:process";
import { runDaemon } from "./daemon.ts";
import { flarei } from "./daemon_programs.ts";
import { runMain } from "./main.ts";

await runMain("flarei", () => runDaemon(flarei, process.argv.slice(2)));
