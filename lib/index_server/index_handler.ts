/**
 * Everything an index server answers: which word does what, and the reports about itself. Changes of the node map are
 * handed on; their answers come once the new map is stored.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { PROTOCOL_VERSION, VERSION } from "../base/version.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type ClusterMeta, encodeMeta } from "../cluster/node_map_codec.ts";
import type { ClientSession } from "../net/connection/client_session.ts";
import type { RequestHandler } from "../net/connection/session_host.ts";
import type { Server } from "../net/server.ts";
import type { DaemonTls } from "../net/tls/daemon_tls.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import { Command, CommandTable, commandName } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { statsGeneral } from "../stats/general_stats.ts";
import { killWorker, refreshCertificates, statsNodes, statsThreads, verbosity } from "../stats/stats_commands.ts";
import { type AskedChange, type MapChange, nodeChange, shutdownChange } from "./index_commands.ts";
import { isPrivilegedAtIndex } from "./privileged_commands.ts";

/** What the handler asks of the index server it belongs to. */
export interface IndexHost {
  readonly runtime: Runtime;
  readonly workers: WorkerRegistry;
  readonly server: Server;
  readonly tls: DaemonTls;
  /** The map in use. */
  readonly map: NodeMap;
  readonly meta: ClusterMeta;
  /** The lines of `show variables` in front of `END`. */
  variables(): readonly string[];
  /** Carries out a change; resolves to the complete answer. */
  change(change: MapChange): Promise<string>;
}

const COMMANDS = new CommandTable(
  ["ping", "version", "verbosity", "quit", "stats", "show", "kill", "node", "meta", "shutdown", "refresh_certs"],
  { takesNodeMaps: false },
);
const NO_SLAVES: ReadonlySet<number> = new Set();

export class IndexHandler implements RequestHandler {
  readonly commands = COMMANDS;
  readonly #host: IndexHost;
  readonly #startedMs: number;

  constructor(host: IndexHost) {
    this.#host = host;
    this.#startedMs = host.runtime.clock.monotonicMs();
  }

  isPrivileged(request: Request): boolean {
    return isPrivilegedAtIndex(request);
  }

  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { command, words } = request;
    switch (command) {
      case Command.ping:
        return reply.line(words.length === 0 ? "OK" : "ERROR");
      case Command.version:
        return reply.line(words.length === 0 ? `VERSION ${PROTOCOL_VERSION}` : "ERROR");
      case Command.meta:
        return words.length === 0 ? reply.raw(fromLatin1(encodeMeta(this.#host.meta))) : reply.line("ERROR");
      case Command.verbosity: {
        const line = verbosity(words);
        return line === undefined ? undefined : reply.line(line);
      }
      case Command.stats:
        return this.#stats(words, reply);
      case Command.show:
        return this.#show(words, reply);
      case Command.kill:
        return reply.line(killWorker(words, this.#host.workers));
      case Command.node:
        return this.#change(nodeChange(words, this.#host.meta.partitionSize - 1), request, reply, session);
      case Command.shutdown:
        return this.#change(shutdownChange(words), request, reply, session);
      case Command.refresh_certs:
        return this.#refreshCertificates(words, reply);
      case Command.quit:
        return;
      default:
        return reply.line("ERROR");
    }
  }

  async #answer(change: MapChange, reply: TextReply): Promise<void> {
    reply.raw(fromLatin1(await this.#host.change(change)));
  }

  #change(asked: AskedChange | undefined, request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    if (asked === undefined) return reply.line("ERROR");
    return this.#answer({ ...asked, cause: causeOf(request, session) }, reply);
  }

  async #refreshCertificates(words: readonly string[], reply: TextReply): Promise<void> {
    const line = await refreshCertificates(words, this.#host.tls);
    if (line !== undefined) reply.line(line);
  }

  #show(words: readonly string[], reply: TextReply): void {
    if (words[0] !== "variables") return reply.line("ERROR");
    for (const line of this.#host.variables()) reply.line(line);
    reply.end();
  }

  #stats(words: readonly string[], reply: TextReply): void {
    const { runtime, server, workers, map } = this.#host;
    switch (words[0]) {
      case undefined:
        statsGeneral(runtime, server, workers, this.#startedMs, VERSION, map.version, {}, reply);
        return reply.end();
      case "nodes":
        return statsNodes(map, reply);
      case "threads":
        return statsThreads(words.slice(1), workers, NO_SLAVES, runtime.clock.monotonicMs(), reply);
      case "items":
      case "slabs":
      case "sizes":
        // An index server stores no items.
        return reply.end();
      default:
        return reply.line("ERROR");
    }
  }
}

/** What was asked for and by whom: `"node state a 1 down" from 10.0.0.7:40612 as "ops"`. */
function causeOf({ command, words }: Request, { peer, user }: ClientSession): string {
  return `"${[commandName(command), ...words].join(" ")}" from ${peer}${user === undefined ? "" : ` as "${user}"`}`;
}
