/**
 * Index servers of ours in the test's process, each with a data directory of its own, on a map that an etcd or a ZooKeeper has;
 * and the words with which tests ask them.
 */

import { assert, assertRejects } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import type { HostPort } from "../../lib/base/host_port.ts";
import { type IndexSettings, indexServerOptions } from "../../lib/index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../../lib/index_server/index_server.ts";
import { placeText } from "../../lib/index_server/place_text.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import type { TlsClient } from "../../lib/runtime/runtime.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { TextClient } from "./text_client.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const WAIT_MS = 15_000;

/** What has the map. */
export interface MapService {
  readonly members: readonly HostPort[];
  readonly tls: TlsClient | undefined;
  stop(): Promise<void>;
}

/** A request to add a node at which nothing listens: the index server does not ping it in the time of a test. */
export const node = (port: number) => `node add 127.0.0.1 ${port}\r\n`;
/** Its answer if nothing is stored; after a while the index server does not lead any more either. */
export const REFUSED = /^SERVER_ERROR failed to add node(: no index server leads now)?\r\n$/;

/** Index servers on one map. */
export class IndexScene {
  readonly logged: string[] = [];
  readonly #service: MapService;
  /** The scheme of `index-db`, without TLS. */
  readonly #scheme: "etcd" | "zookeeper";
  readonly #directories: string[] = [];
  readonly #servers: RunningIndex[] = [];

  constructor(service: MapService, scheme: "etcd" | "zookeeper") {
    this.#service = service;
    this.#scheme = scheme;
  }

  /** `index-db` for the members, or for others that stand before them. */
  url(members: readonly HostPort[] = this.#service.members): string {
    return placeText(this.#scheme, { members, tls: this.#service.tls }, "/flare/test");
  }

  newDirectory(): string {
    const directory = makeTemporaryDirectory();
    this.#directories.push(directory);
    return directory;
  }

  async start(dataDir: string, options: Partial<IndexSettings> = {}): Promise<RunningIndex> {
    const log = { write: (level: string, message: string) => void this.logged.push(`${level} ${message}`) };
    const { name, transport, clock, random, files, process } = runtime;
    const settings = indexServerOptions({
      dataDir,
      indexDb: this.url(),
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      monitorIntervalMs: 86_400_000,
      ...options,
    });
    const server = await startIndexServer({ name, transport, clock, random, files, process, log }, settings);
    this.#servers.push(server);
    return server;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.stop();
    for (const directory of this.#directories) removeTemporaryDirectory(directory);
    await this.#service.stop();
  }
}

/** Runs a test with index servers on a service that is being started. */
export async function withScene<Service extends MapService>(
  scheme: "etcd" | "zookeeper",
  starting: Promise<Service>,
  test: (scene: IndexScene, service: Service) => Promise<void>,
): Promise<void> {
  const service = await starting;
  const scene = new IndexScene(service, scheme);
  try {
    await test(scene, service);
  } finally {
    await scene.close();
  }
}

/** Sends a request to an index server; resolves to its answer. */
export async function ask(server: RunningIndex, text: string, limitMs = WAIT_MS): Promise<string> {
  const client = await TextClient.connect(runtime, server.addresses[0]);
  try {
    await client.send(text);
    return await client.until((received) => /(OK|END|ERROR[^\r]*)\r\n$/.test(received), limitMs);
  } finally {
    client.close();
  }
}

/** Resolves when the condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!condition()) {
    assert(performance.now() < endMs, `not in ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Code and message of the error that `work` fails with. */
export async function failureOf(work: () => Promise<unknown>): Promise<string> {
  const { code, message } = (await assertRejects(work, FlareError)) as FlareError;
  return `${code} ${message}`;
}

/** The ports of its nodes. */
export const keysOf = (server: RunningIndex) => server.nodeMap.nodes.map(({ port }) => port);
