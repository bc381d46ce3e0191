/** The packets that begin and keep a session with ZooKeeper: what is asked for, what it gets, its login, its pings. Pure. */

import { JuteReader, JuteWriter } from "./jute.ts";
import { AUTH_XID, frame, headOf, PING_XID } from "./packets.ts";

const PROTOCOL_VERSION = 0;
const PASSWORD_BYTES = 16;

const PING = 11;
const AUTH = 100;

/** What a session is asked for when a connection begins. */
export interface SessionRequest {
  /** 0: a new one. */
  readonly id: bigint;
  readonly password: Uint8Array;
  readonly timeoutMs: number;
  /** The latest transaction that was seen: a server that has not seen it refuses. */
  readonly lastZxid: bigint;
}

/** The session that a connection got. */
export interface SessionGrant {
  /** 0: the session has expired. */
  readonly id: bigint;
  readonly password: Uint8Array;
  /** Without a sign of life for this long it expires. */
  readonly timeoutMs: number;
}

/** A new session. */
export const NO_SESSION = { id: 0n, password: new Uint8Array(PASSWORD_BYTES) } as const;

/** The packet that begins a connection. */
export function encodeSessionRequest({ id, password, timeoutMs, lastZxid }: SessionRequest): Uint8Array {
  const writer = new JuteWriter();
  writer.int(PROTOCOL_VERSION);
  writer.long(lastZxid);
  writer.int(timeoutMs);
  writer.long(id);
  writer.buffer(password);
  // No server that only reads: its map may be old.
  writer.boolean(false);
  return frame(writer);
}

/** The answer to it. @throws FlareError CORRUPT */
export function decodeSessionGrant(packet: Uint8Array): SessionGrant {
  const reader = new JuteReader(packet);
  reader.int();
  const timeoutMs = reader.int();
  return { timeoutMs, id: reader.long(), password: reader.buffer() };
}

/** A sign of life. */
export function encodePing(): Uint8Array {
  return frame(headOf(PING_XID, PING));
}

/** The login of a user; bytes, one character per byte. */
export function encodeLogin(credentials: Uint8Array): Uint8Array {
  const writer = headOf(AUTH_XID, AUTH);
  writer.int(0);
  writer.text("digest");
  writer.buffer(credentials);
  return frame(writer);
}
