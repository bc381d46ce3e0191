/**
 * A program that waits for a server, has nothing else to do, and says `alive` when the server answers. Its argument is the
 * server's `host:port`; what it does meanwhile is in its log.
 */

import process from "node:process";
import { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { addressOf } from "../../../lib/admin/node_targets.ts";
import { detectRuntime } from "../../../lib/runtime/detect.ts";

const server = process.argv[2] as string;

async function main(): Promise<void> {
  const admin = new ClusterAdmin({ runtime: detectRuntime({ logLevel: "debug" }), indexServer: addressOf(server) });
  await admin.waitUntilAlive(server);
  process.stdout.write("alive\n");
  admin.close();
}

void main();
