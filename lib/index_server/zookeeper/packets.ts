/**
 * The packets of ZooKeeper's client protocol, from values to bytes and back: requests and replies by their numbers, notices of
 * watches. What a request says is in `requests.ts`; `session_packets.ts` has what begins and keeps a session. Pure.
 */

import { FlareError } from "../../base/errors.ts";
import { refusalOf } from "./codes.ts";
import { JuteReader, JuteWriter } from "./jute.ts";
import type { Answer, Request } from "./requests.ts";

/** The numbers in the place of a request's for packets that are no requests. */
export const WATCH_XID = -1;
export const PING_XID = -2;
export const AUTH_XID = -4;

const FRAME_HEAD_BYTES = 4;
/** The largest packet that is read: far above ZooKeeper's `jute.maxbuffer`. */
const FRAME_BYTES_MAX = 64 << 20;

/** A request with its number. */
export function encodeRequest(xid: number, request: Request<unknown>): Uint8Array {
  const writer = headOf(xid, request.type);
  request.encode(writer);
  return frame(writer);
}

/** A packet with the number and the type that stand before everything else. */
export function headOf(xid: number, type: number): JuteWriter {
  const writer = new JuteWriter();
  writer.int(xid);
  writer.int(type);
  return writer;
}

/** The packet with its length before it. */
export function frame({ bytes }: JuteWriter): Uint8Array {
  const framed = new Uint8Array(FRAME_HEAD_BYTES + bytes.length);
  new DataView(framed.buffer).setInt32(0, bytes.length);
  framed.set(bytes, FRAME_HEAD_BYTES);
  return framed;
}

/**
 * The first packet in `bytes`, without its length; undefined while it is incomplete.
 * @throws FlareError CORRUPT if it cannot be one
 */
export function cutPacket(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < FRAME_HEAD_BYTES) return undefined;
  const length = new JuteReader(bytes).int();
  if (length < 0 || length > FRAME_BYTES_MAX) throw new FlareError("CORRUPT", `malformed packet: it has ${length} bytes`);
  const end = FRAME_HEAD_BYTES + length;
  return bytes.length < end ? undefined : bytes.subarray(FRAME_HEAD_BYTES, end);
}

/** Bytes that a packet takes with its length. */
export function packetBytes(packet: Uint8Array): number {
  return FRAME_HEAD_BYTES + packet.length;
}

/** The head of a reply, and the rest. */
export interface Reply {
  readonly xid: number;
  /** The latest transaction that the server has seen. */
  readonly zxid: bigint;
  /** ZooKeeper's code; 0: it is done. */
  readonly code: number;
  readonly rest: JuteReader;
}

/** @throws FlareError CORRUPT */
export function decodeReply(packet: Uint8Array): Reply {
  const rest = new JuteReader(packet);
  return { xid: rest.int(), zxid: rest.long(), code: rest.int(), rest };
}

/** The answer in the reply to `request`. @throws FlareError CORRUPT | as `refusalOf` */
export function answerOf<Result>(request: Request<Result>, { code, rest }: Reply): Answer<Result> {
  const { path } = request;
  return code === 0 ? request.decode(rest) : { ok: false, refusal: refusalOf(code, path), path };
}

/** The path of a znode that a watch has seen changing. @throws FlareError CORRUPT */
export function decodeWatch({ rest }: Reply): string {
  rest.int();
  rest.int();
  return rest.text();
}
