/**
 * Runs the contract of coordinators for each of them: memory, files in memory and on a disk, and Debian's etcd.
 *
 * Covers lib/index_server/etcd/etcd_coordinator.ts and lib/index_server/etcd/etcd_client.ts.
 */

import { join } from "node:path";
import { after, before, describe } from "node:test";
import { EtcdCoordinator } from "../../lib/index_server/etcd/etcd_coordinator.ts";
import { FileCoordinator } from "../../lib/index_server/file_coordinator.ts";
import { MemoryCoordinator } from "../../lib/index_server/memory_coordinator.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { IndexWorld } from "../support/index_world.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { coordinatorSuite } from "./coordinator_suite.ts";

const runtime = detectRuntime();

coordinatorSuite("in memory", async () => {
  const coordinator = new MemoryCoordinator();
  return { open: async () => coordinator, dispose: async () => undefined };
});

coordinatorSuite("in a file in memory", async () => {
  const world = new IndexWorld();
  return { open: async () => new FileCoordinator(world, "/data"), dispose: async () => undefined };
});

coordinatorSuite(`in a file on ${runtime.name}`, async () => {
  const directory = makeTemporaryDirectory();
  return {
    open: async () => new FileCoordinator(runtime, directory),
    dispose: async () => removeTemporaryDirectory(directory),
  };
});

describe(`etcd on ${runtime.name}`, { skip: withoutEtcd }, () => {
  let etcd: Etcd;
  let places = 0;
  before(async () => {
    etcd = await Etcd.start();
  });
  after(() => etcd.stop());

  coordinatorSuite("in etcd", async () => {
    const directory = makeTemporaryDirectory();
    const key = `/flare/${places++}`;
    return {
      open: async () => new EtcdCoordinator(runtime, { members: etcd.members, key, markPath: join(directory, "mark") }),
      dispose: async () => removeTemporaryDirectory(directory),
    };
  });
});
