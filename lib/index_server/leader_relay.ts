/**
 * Passes changes of the node map on to the index server that leads, and returns its answers. A change that the leader may have
 * got is not sent again.
 */

import { MIB } from "../base/byte_units.ts";
import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { formatHostPort, type HostPort } from "../base/host_port.ts";
import { LEADER_SILENT, NO_LEADER } from "../cluster/index_leader.ts";
import { onOwnConnection } from "../net/peer/own_connection.ts";
import type { Peer } from "../net/peer/peer.ts";
import { PeerError, type PeerOptions } from "../net/peer/peer_link.ts";
import type { TlsLink } from "../net/tls/tls_link.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import { serverErrorLine } from "../protocol/text/server_error.ts";
import { type ClientReply, ReplyShape } from "../protocol/text/text_client.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CommandedChange } from "./index_commands.ts";

const CONNECT_TIMEOUT_MS = 1000;
/** Nodes wait longer for an index server. */
const REPLY_TIMEOUT_MS = 5000;
const QUEUE_BYTES_MAX = 16 * MIB;
const REPLY_BYTES_MAX = 16 * MIB;

export class LeaderRelay {
  readonly #runtime: Runtime;
  readonly #workers: WorkerRegistry;
  readonly #tls: TlsLink;

  constructor(runtime: Runtime, workers: WorkerRegistry, tls: TlsLink) {
    this.#runtime = runtime;
    this.#workers = workers;
    this.#tls = tls;
  }

  /** Resolves to the complete answer of the leader; `SERVER_ERROR …` if it gives none. */
  async pass(leader: HostPort, { command, from, failure, cause }: CommandedChange): Promise<string> {
    const options: PeerOptions = {
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      replyTimeoutMs: REPLY_TIMEOUT_MS,
      queueBytesMax: QUEUE_BYTES_MAX,
      replyBytesMax: REPLY_BYTES_MAX,
      tls: this.#tls,
    };
    const relay = fromLatin1(`relay ${from} ${command}\r\n`);
    const ask = (peer: Peer): Promise<ClientReply> => peer.request(relay, ReplyShape.lines);
    try {
      const { line, body } = await onOwnConnection(this.#runtime, leader, options, ask, this.#workers);
      return `${latin1(body)}${line}\r\n`;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      const name = formatHostPort(leader.host, leader.port);
      this.#runtime.log.write("warning", `${failure}: "${name}" leads, and does not answer: ${error.message}; ${cause}`);
      const isUnclear = error instanceof PeerError && error.mayHaveHappened;
      return `${serverErrorLine(`${failure}: ${isUnclear ? LEADER_SILENT : NO_LEADER}`)}\r\n`;
    }
  }
}
