/**
 * HTTP requests at sessions of a node, of an index server and of a server that requires a login: nothing in them is executed or
 * answered, wherever they are cut. The commands are counted where they would be executed, so the sessions need no server behind
 * them.
 */

import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { Access } from "../../../lib/net/auth/access.ts";
import type { AccessOptions } from "../../../lib/net/auth/access_options.ts";
import { Session, type SessionHost } from "../../../lib/net/connection/session.ts";
import { BufferPool } from "../../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable, commandName } from "../../../lib/protocol/command.ts";
import type { Request } from "../../../lib/protocol/request.ts";
import { SimRandom } from "../../../lib/testing/sim_random.ts";
import { detectRuntime } from "../../../mod.ts";
import { USERS } from "../../support/access_world.ts";
import { FakeConnection } from "../../support/fake_connection.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";
import { httpConnection } from "../http_grammar.ts";

const ALL_COMMANDS = Object.keys(Command) as (keyof typeof Command)[];
const USERS_PATH = "/users";
const CLOSED: AccessOptions = {
  authFile: USERS_PATH,
  authExempt: "",
  authTimeoutMs: 1000,
  clusterUser: "",
  adminAccess: "any",
  adminAddress: "",
  requestTimeoutMs: 1000,
};

export const httpTarget: FuzzTarget = {
  name: "http",
  oracle: "an HTTP request is neither carried out nor answered, and its connection is closed at the first line",
  async open() {
    const files = new MemoryFiles();
    files.write(USERS_PATH, fromLatin1(USERS));
    const access = await Access.open({ ...detectRuntime(), files }, CLOSED);
    return new HttpSubject([new Place("node", true), new Place("index", false), new Place("locked", true, access)]);
  },
};

/** What is at the other end of a connection. */
class Place {
  readonly host: SessionHost;
  readonly name: string;
  executed = "";
  refused = 0;

  constructor(name: string, isNode: boolean, access?: Access) {
    this.name = name;
    this.host = {
      handler: {
        commands: new CommandTable(ALL_COMMANDS, { takesNodeMaps: isNode }),
        speaksBinary: isNode,
        handle: ({ command }: Request) => {
          this.executed += ` ${commandName(command)}`;
        },
      },
      ...(access === undefined ? {} : { access }),
      limits: { lineBytesMax: 4096, keyBytesMax: 250, valueBytesMax: 100000, outputHighWaterBytes: 1 << 20 },
      requestMemory: { usedBytes: 0, bytesMax: 1 << 20 },
      buffers: new BufferPool(),
      traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
      monotonicMs: () => 1,
      opened: () => undefined,
      closed: () => undefined,
      settleSoon: (session) => session.settle(),
      refusedHttp: () => void this.refused++,
      unexpected: (error) => {
        throw error;
      },
    };
  }
}

/** The input is a seed, because a damaged request is none of HTTP any more. */
class HttpSubject implements FuzzSubject {
  readonly #places: readonly Place[];

  constructor(places: readonly Place[]) {
    this.#places = places;
  }

  generate(random: SimRandom): Uint8Array {
    return Uint8Array.from({ length: 8 }, () => random.between(0, 255));
  }

  run(input: Uint8Array, random: SimRandom): Met {
    const place = random.pick(this.#places);
    const bytes = fromLatin1(httpConnection(new SimRandom(input.join())));
    const connection = new FakeConnection();
    const session = new Session(1, connection, place.host);
    const refusedBefore = place.refused;
    place.executed = "";
    session.onOpen();
    for (const chunk of cut(bytes, random)) session.onData(chunk.slice());
    const wrong = faultOf(place, connection, refusedBefore);
    if (wrong !== "") throw new Error(`${place.name}: ${wrong}; it was sent ${JSON.stringify(latin1(bytes))}`);
    session.onClose();
    return new Set([`${place.name} ${latin1(bytes, 0, bytes.indexOf(0x20))}`]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function faultOf({ name, executed, refused, host }: Place, connection: FakeConnection, refusedBefore: number): string {
  if (executed !== "") return `carried out${executed}`;
  if (connection.text !== "") return `answered ${JSON.stringify(connection.text)}`;
  if (!connection.closed) return "the connection is open";
  // A stranger's line may also be too long for one who has not logged in.
  if (refused !== refusedBefore + 1 && name !== "locked") return "not counted";
  return host.requestMemory.usedBytes === 0 ? "" : "bytes are kept";
}
