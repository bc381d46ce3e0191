/**
 * The answers to an index server's commands: its statistics, and changes of the node map, which are passed on; their answers
 * come once the new map is stored. The rows of `index_command_table.ts` say which method answers which command.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { formatHostPort } from "../base/host_port.ts";
import { PROTOCOL_VERSION, VERSION } from "../base/version.ts";
import { encodeMapRecord, HISTORY_MAX, type MapRecord } from "../cluster/map_record.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type ClusterMeta, encodeMeta } from "../cluster/node_map_codec.ts";
import { encodeStoredMap, type MoveMark, type StoredMap } from "../cluster/stored_map.ts";
import type { ClientSession } from "../net/connection/client_session.ts";
import type { Server } from "../net/server.ts";
import type { DaemonTls } from "../net/tls/daemon_tls.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import { commandName } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import { serverErrorLine } from "../protocol/text/server_error.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { statsGeneral } from "../stats/general_stats.ts";
import type { StatSink } from "../stats/stat_sink.ts";
import { killWorker, refreshCertificates, statsNodes, statsThreads, verbosity } from "../stats/stats_commands.ts";
import type { Leader } from "./coordinator.ts";
import {
  type AskedChange,
  type CommandedChange,
  commandedChange,
  importChange,
  type MapChange,
  moveChange,
  type NodeFormWord,
  nodeChange,
  shutdownChange,
} from "./index_commands.ts";

/** Who leads the cluster, and whether it can: `node_map_service.ts` decides. */
export interface Leadership {
  /** This server leads. */
  readonly isLeading: boolean;
  /** Who leads; undefined if that is not known. */
  readonly leader: Leader | undefined;
  /** The leader's term. */
  readonly term: number;
  /** Without an election: the term of the server that leads instead of this one; 0 while this one leads. */
  readonly replacedBy: number;
  /** For how long the stored node map has been out of reach. */
  readonly failingSeconds: number;
  /** Where the map has gone, or where it is to arrive from: nobody leads here then. */
  readonly mark: MoveMark | undefined;
}

/** What the answers need from their index server. */
export interface IndexHost {
  readonly runtime: Runtime;
  readonly workers: WorkerRegistry;
  readonly server: Server;
  readonly tls: DaemonTls;
  /** The current map. */
  readonly nodeMap: NodeMap;
  readonly meta: ClusterMeta;
  readonly leadership: Leadership;
  /** Where the map is stored, in the form of `index-db`. */
  readonly place: string;
  /** The lines of `show variables` before `END`. */
  variables(): readonly string[];
  /** The map as it is stored now. @throws FlareError */
  storedMap(): Promise<StoredMap>;
  /** The records of the last stored maps, the oldest first. @throws FlareError */
  history(): Promise<readonly MapRecord[]>;
  /** Executes a change, here or at the index server that leads; resolves to the complete answer. */
  change(change: CommandedChange): Promise<string>;
  /** Executes a change here, if this server leads; resolves to the complete answer. */
  lead(change: MapChange): Promise<string>;
}

/** Longer words of a command are no names. */
const WORD_SHOWN_MAX = 300;
const NO_SLAVES: ReadonlySet<number> = new Set();

export class IndexReplies {
  readonly #host: IndexHost;
  readonly #startedMs: number;

  constructor(host: IndexHost) {
    this.#host = host;
    this.#startedMs = host.runtime.clock.monotonicMs();
  }

  ping(words: readonly string[], reply: TextReply): void {
    reply.line(words.length === 0 ? "OK" : "ERROR");
  }

  version(words: readonly string[], reply: TextReply): void {
    reply.line(words.length === 0 ? `VERSION ${PROTOCOL_VERSION}` : "ERROR");
  }

  meta(words: readonly string[], reply: TextReply): void {
    if (words.length === 0) reply.raw(fromLatin1(encodeMeta(this.#host.meta)));
    else reply.line("ERROR");
  }

  verbosity(words: readonly string[], reply: TextReply): void {
    const line = verbosity(words);
    if (line !== undefined) reply.line(line);
  }

  kill(words: readonly string[], reply: TextReply): void {
    reply.line(killWorker(words, this.#host.workers));
  }

  async refreshCertificates(words: readonly string[], reply: TextReply): Promise<void> {
    const line = await refreshCertificates(words, this.#host.tls);
    if (line !== undefined) reply.line(line);
  }

  show(words: readonly string[], reply: TextReply): void {
    if (words[0] !== "variables") return reply.line("ERROR");
    for (const line of this.#host.variables()) reply.line(line);
    reply.end();
  }

  statsGeneral(reply: TextReply): void {
    this.generalFigures(reply);
    reply.end();
  }

  /** The lines of the general `stats`. */
  generalFigures(reply: StatSink): void {
    const { runtime, server, workers, nodeMap, leadership } = this.#host;
    statsGeneral(runtime, server, workers, this.#startedMs, VERSION, nodeMap.version, {}, reply);
    const { leader } = leadership;
    reply.stat("index_leads", leadership.isLeading ? 1 : 0);
    reply.stat("index_leader", leader === undefined ? "none" : formatHostPort(leader.address.host, leader.address.port));
    reply.stat("index_leader_since", leader === undefined ? 0 : Math.floor(leader.sinceMs / 1000));
    reply.stat("index_term", leadership.term);
    reply.stat("index_replaced_by", leadership.replacedBy);
    reply.stat("index_db", this.#host.place);
    reply.stat("index_moved", leadership.mark === undefined ? "no" : `${leadership.mark.kind} ${leadership.mark.place}`);
    reply.stat("index_db_failing_seconds", leadership.failingSeconds);
  }

  /** The stored map, as a `flare.xml`. */
  async storedMap(words: readonly string[], reply: TextReply): Promise<void> {
    if (words.length > 0) return reply.line("ERROR");
    try {
      const text = encodeStoredMap(await this.#host.storedMap());
      for (const line of text.split("\n")) reply.line(line);
      reply.end();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      reply.line(serverErrorLine(`the stored node map is out of reach: ${error.message}`));
    }
  }

  moveMap(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#change(moveChange(request.words.slice(1)), request, reply, session);
  }

  importMap(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#change(importChange(request.words.slice(1)), request, reply, session);
  }

  /** The last stored maps. */
  async history(words: readonly string[], reply: TextReply): Promise<void> {
    const [text = String(HISTORY_MAX), ...rest] = words;
    if (!/^[1-9]\d{0,8}$/.test(text) || rest.length > 0) return reply.line("ERROR");
    try {
      const records = await this.#host.history();
      for (const record of records.slice(-Number(text))) reply.line(`MAP ${encodeMapRecord(record)}`);
      reply.end();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      reply.line(serverErrorLine(`the history of the node map is out of reach: ${error.message}`));
    }
  }

  statsNodes(reply: TextReply): void {
    statsNodes(this.#host.nodeMap, reply);
  }

  statsThreads(words: readonly string[], reply: TextReply): void {
    const { runtime, workers } = this.#host;
    statsThreads(words, workers, NO_SLAVES, runtime.clock.monotonicMs(), reply);
  }

  /** A form of `node`. */
  changeNode(form: NodeFormWord, request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#change(nodeChange(form, request.words.slice(1), this.#partitionCountMax), request, reply, session);
  }

  shutdown(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return this.#change(shutdownChange(request.words), request, reply, session);
  }

  /** A change that another index server passes on to the leader. */
  async relay(request: Request, reply: TextReply, session: ClientSession): Promise<void> {
    const [from = "", ...words] = request.words;
    const asked = commandedChange(words, this.#partitionCountMax);
    if (asked === undefined) return reply.line("ERROR");
    const cause = `"${shown(words)}" from ${from} through ${whoIs(session)}`;
    reply.raw(fromLatin1(await this.#host.lead({ ...asked, cause })));
  }

  get #partitionCountMax(): number {
    return this.#host.meta.partitionSize - 1;
  }

  #change(asked: AskedChange | undefined, request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    if (asked === undefined) return reply.line("ERROR");
    const words = [commandName(request.command), ...request.words];
    const cause = `"${shown(words)}" from ${whoIs(session)}`;
    return this.#answer({ ...asked, command: words.join(" "), from: session.peer, cause }, reply);
  }

  async #answer(change: CommandedChange, reply: TextReply): Promise<void> {
    reply.raw(fromLatin1(await this.#host.change(change)));
  }
}

/** A command as its readers want it: without an imported map. */
function shown(words: readonly string[]): string {
  return words.map((word) => (word.length > WORD_SHOWN_MAX ? "…" : word)).join(" ");
}

/** `10.0.0.7:40612 as "ops"`. */
function whoIs({ peer, user }: ClientSession): string {
  return `${peer}${user === undefined ? "" : ` as "${user}"`}`;
}
