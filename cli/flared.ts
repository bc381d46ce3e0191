#!/usr/bin/env node
/**
 * `flared`, a node server: keeps keys and values, proxies, replicates.
 */

import process from "node:process";
import { runDaemon } from "./daemon.ts";
import { flared } from "./daemon_programs.ts";
import { runMain } from "./main.ts";

await runMain("flared", () => runDaemon(flared, process.argv.slice(2)));
