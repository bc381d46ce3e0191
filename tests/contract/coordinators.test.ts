/** Runs the contract of coordinators for each of them: memory, and files in memory and on a disk. */

import { FileCoordinator } from "../../lib/index_server/file_coordinator.ts";
import { MemoryCoordinator } from "../../lib/index_server/memory_coordinator.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { IndexWorld } from "../support/index_world.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { coordinatorSuite } from "./coordinator_suite.ts";

coordinatorSuite("in memory", async () => {
  const coordinator = new MemoryCoordinator();
  return { open: async () => coordinator, dispose: async () => undefined };
});

coordinatorSuite("in a file in memory", async () => {
  const world = new IndexWorld();
  return { open: async () => new FileCoordinator(world, "/data"), dispose: async () => undefined };
});

const runtime = detectRuntime();

coordinatorSuite(`in a file on ${runtime.name}`, async () => {
  const directory = makeTemporaryDirectory();
  return {
    open: async () => new FileCoordinator(runtime, directory),
    dispose: async () => removeTemporaryDirectory(directory),
  };
});
