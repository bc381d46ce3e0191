/**
 * `stats conns`: the listeners and the connections of a server, in memcached's format. The leading number is the connection's
 * id for `kill`.
 */

import type { ClientSession } from "../net/connection/client_session.ts";
import type { Session } from "../net/connection/session.ts";
import type { Server } from "../net/server.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";

/** Connections written before the client's pace matters. */
const CONNECTIONS_AT_ONCE = 100;

/** Writes all of them; with many it waits for `asker` to read. */
export function statsConnections(server: Server, nowMs: number, reply: TextReply, asker: ClientSession): void | Promise<void> {
  for (const { id, address } of server.listeners) {
    reply.stat(`${id}:addr`, address);
    reply.stat(`${id}:state`, "conn_listening");
    reply.stat(`${id}:secs_since_last_cmd`, 0);
  }
  if (server.connections > CONNECTIONS_AT_ONCE) return tellAll([...server.sessions], nowMs, reply, asker);
  for (const session of server.sessions) tell(session, nowMs, reply);
  reply.end();
}

async function tellAll(sessions: readonly Session[], nowMs: number, reply: TextReply, asker: ClientSession): Promise<void> {
  for (const session of sessions) {
    if (asker.gone) return;
    if (!session.gone) tell(session, nowMs, reply);
    if (!asker.makeRoom(reply.segment)) await asker.roomInOutput(reply.segment);
  }
  reply.end();
}

function tell(session: Session, nowMs: number, reply: TextReply): void {
  const { id, peer, listenAddress, phase, lastActiveMs } = session;
  reply.stat(`${id}:addr`, listenAddress.startsWith("unix:") ? listenAddress : `tcp:${peer}`);
  reply.stat(`${id}:listen_addr`, listenAddress);
  reply.stat(`${id}:state`, phase);
  reply.stat(`${id}:secs_since_last_cmd`, Math.max(0, Math.floor((nowMs - lastActiveMs) / 1000)));
}
