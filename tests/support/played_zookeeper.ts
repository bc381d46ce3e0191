/**
 * Servers of ZooKeeper played by a test in a `PlayedNetwork`: they grant sessions, and answer requests as the test says.
 */

import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { JuteReader, JuteWriter } from "../../lib/index_server/zookeeper/jute.ts";
import { AUTH_XID, cutPacket, PING_XID, packetBytes, WATCH_XID } from "../../lib/index_server/zookeeper/packets.ts";
import type { FarEnd, PlayedNetwork } from "./played_network.ts";

/** A transaction: it begins with no path. */
const MULTI = 14;

/** What a reply says: a code, and what follows it; undefined: nothing is answered; "end": the connection ends. */
export type PlayedReply = { readonly code?: number; readonly rest?: (writer: JuteWriter) => void } | undefined | "end";

/** A request as a server sees it. */
export interface SeenRequest {
  /** The key of the server that got it. */
  readonly server: string;
  readonly type: number;
  readonly path: string;
}

export class PlayedZooKeeper {
  /** Answers requests; default: done, without more. */
  answer: (request: SeenRequest) => PlayedReply = () => ({});
  /** The session that a login gets: the one it asked for, a new one for 0, and 0n if it has expired; undefined: no answer. */
  grant: (asked: bigint, server: string) => bigint | undefined | "end" = (asked) =>
    asked === 0n ? this.#nextSession++ : asked;
  readonly requests: SeenRequest[] = [];
  /** The logins: which server, which session, which transaction was seen last. */
  readonly logins: { readonly server: string; readonly session: bigint; readonly lastZxid: bigint }[] = [];
  /** What users logged in as. */
  readonly users: string[] = [];
  pings = 0;
  zxid = 100n;
  /** The connections that are open. */
  readonly open = new Set<FarEnd>();
  #nextSession = 1n;

  constructor(network: PlayedNetwork) {
    network.onConnect = (key, far) => this.#connected(key, far);
  }

  /** A watch has noticed something. */
  notice(path: string): void {
    for (const far of this.open) {
      this.#send(far, (writer) => {
        writer.int(WATCH_XID);
        writer.long(-1n);
        for (const number of [0, 3, 3]) writer.int(number);
        writer.text(path);
      });
    }
  }

  /** Ends all connections. */
  disconnect(): void {
    for (const far of [...this.open]) far.close();
  }

  #connected(server: string, far: FarEnd): void {
    this.open.add(far);
    far.onClosed = () => void this.open.delete(far);
    let isLoggedIn = false;
    far.onReceived = () => {
      for (;;) {
        const packet = cutPacket(fromLatin1(far.received));
        if (packet === undefined || far.closed) return;
        far.received = far.received.slice(packetBytes(packet));
        const reader = new JuteReader(packet);
        if (isLoggedIn) this.#onRequest(server, far, reader);
        else isLoggedIn = this.#onLogin(server, far, reader);
      }
    };
  }

  #onLogin(server: string, far: FarEnd, reader: JuteReader): boolean {
    reader.int();
    const lastZxid = reader.long();
    const timeoutMs = reader.int();
    const session = reader.long();
    this.logins.push({ server, session, lastZxid });
    const granted = this.grant(session, server);
    if (granted === "end") far.close();
    if (typeof granted !== "bigint") return true;
    this.#send(far, (writer) => {
      writer.int(0);
      writer.int(granted === 0n ? 0 : timeoutMs);
      writer.long(granted);
      writer.buffer(new Uint8Array(16).fill(Number(granted)));
      writer.boolean(false);
    });
    if (granted === 0n) far.close();
    return true;
  }

  #onRequest(server: string, far: FarEnd, reader: JuteReader): void {
    const xid = reader.int();
    const type = reader.int();
    let reply: PlayedReply = {};
    if (xid === PING_XID) this.pings++;
    else if (xid === AUTH_XID) {
      reader.int();
      reader.text();
      this.users.push(latin1(reader.buffer()));
    } else {
      const request = { server, type, path: type !== MULTI && reader.left > 0 ? reader.text() : "" };
      this.requests.push(request);
      reply = this.answer(request);
    }
    if (reply === "end") return far.close();
    if (reply === undefined) return;
    const { code = 0, rest } = reply;
    this.#send(far, (writer) => {
      writer.int(xid);
      writer.long(this.zxid);
      writer.int(code);
      rest?.(writer);
    });
  }

  #send(far: FarEnd, write: (writer: JuteWriter) => void): void {
    const packet = new JuteWriter();
    write(packet);
    const length = new JuteWriter();
    length.int(packet.bytes.length);
    far.send(latin1(length.bytes) + latin1(packet.bytes));
  }
}
