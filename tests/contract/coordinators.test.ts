/**
 * Runs the contract of coordinators for each of them: memory, files in memory and on a disk, and Debian's etcd and ZooKeeper;
 * and that of elections where they have them.
 *
 * Covers lib/index_server/etcd/etcd_coordinator.ts, lib/index_server/etcd/etcd_client.ts,
 * lib/index_server/etcd/etcd_election.ts, lib/index_server/zookeeper/zookeeper_coordinator.ts,
 * lib/index_server/zookeeper/znode_layout.ts, lib/index_server/shared_map.ts, lib/index_server/shared_lease.ts,
 * lib/index_server/zookeeper/znode_history.ts, lib/index_server/place_text.ts and lib/local_cluster/shared_coordinator.ts.
 */

import { join } from "node:path";
import { after, before, describe } from "node:test";
import { EtcdCoordinator } from "../../lib/index_server/etcd/etcd_coordinator.ts";
import { FileCoordinator } from "../../lib/index_server/file_coordinator.ts";
import { MemoryCoordinator } from "../../lib/index_server/memory_coordinator.ts";
import { SharedMap } from "../../lib/index_server/shared_map.ts";
import { ZooKeeperCoordinator } from "../../lib/index_server/zookeeper/zookeeper_coordinator.ts";
import { SharedCoordinator } from "../../lib/local_cluster/shared_coordinator.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { IndexWorld } from "../support/index_world.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { withoutZooKeeper, ZooKeeper } from "../support/zookeeper_server.ts";
import { type CoordinatorPlace, coordinatorSuite, electionSuite } from "./coordinator_suite.ts";

const runtime = detectRuntime();

coordinatorSuite("in memory", async () => {
  const coordinator = new MemoryCoordinator();
  return { open: async () => coordinator, dispose: async () => undefined };
});

const inSharedMemory = async (): Promise<CoordinatorPlace> => {
  let nowMs = 0;
  const shared = new SharedMap({ monotonicMs: () => nowMs });
  return {
    open: async () => new MemoryCoordinator(shared),
    wait: async (ms) => {
      nowMs += ms;
    },
    dispose: async () => undefined,
  };
};
coordinatorSuite("in shared memory", inSharedMemory);
electionSuite("in shared memory", inSharedMemory);

const ofOneProcess = async (): Promise<CoordinatorPlace> => {
  let nowMs = 0;
  const world = new IndexWorld();
  const shared = new SharedCoordinator({ monotonicMs: () => nowMs }, new FileCoordinator(world, "/data"));
  return {
    open: async () => {
      const coordinator = shared.share();
      await coordinator.open();
      return coordinator;
    },
    wait: async (ms) => {
      nowMs += ms;
    },
    dispose: async () => {
      // The last one has closed the file.
      const file = new FileCoordinator(world, "/data");
      await file.open();
      await file.close();
    },
  };
};
coordinatorSuite("of one process", ofOneProcess);
electionSuite("of one process", ofOneProcess);

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

  const inEtcd = async (): Promise<CoordinatorPlace> => {
    const directory = makeTemporaryDirectory();
    const key = `/flare/${places++}`;
    return {
      open: async () => new EtcdCoordinator(runtime, { members: etcd.members, key, knownPath: join(directory, "known") }),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      dispose: async () => removeTemporaryDirectory(directory),
    };
  };
  coordinatorSuite("in etcd", inEtcd);
  electionSuite("in etcd", inEtcd);
});

describe(`ZooKeeper on ${runtime.name}`, { skip: withoutZooKeeper }, () => {
  let zooKeeper: ZooKeeper;
  let places = 0;
  before(async () => {
    zooKeeper = await ZooKeeper.start();
  });
  after(() => zooKeeper.stop());

  const inZooKeeper = async (): Promise<CoordinatorPlace> => {
    const directory = makeTemporaryDirectory();
    const cluster = `/flare/${places++}`;
    const { members } = zooKeeper;
    const knownPath = join(directory, "known");
    const indexServer = { host: "index.example", port: 12120 };
    return {
      open: async () => new ZooKeeperCoordinator(runtime, { members, cluster, knownPath, indexServer }),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      dispose: async () => removeTemporaryDirectory(directory),
    };
  };
  coordinatorSuite("in ZooKeeper", inZooKeeper);
  electionSuite("in ZooKeeper", inZooKeeper);
});
