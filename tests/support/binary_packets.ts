/** Binary protocol packets for tests: requests from a few words, and replies as lines a person can compare. */

import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { BINARY_HEADER_BYTES, HeaderField } from "../../lib/protocol/binary/binary_protocol.ts";

export interface Packet {
  readonly opcode: number;
  readonly extras?: string;
  readonly key?: string;
  readonly value?: string;
  readonly opaque?: number;
  readonly cas?: number;
}

/** A request as a byte string. */
export function packet({ opcode, extras = "", key = "", value = "", opaque = 0xdeadbeef, cas = 0 }: Packet): string {
  const header = new DataView(new ArrayBuffer(BINARY_HEADER_BYTES));
  header.setUint8(0, 0x80);
  header.setUint8(HeaderField.opcode, opcode);
  header.setUint16(HeaderField.keyLength, key.length);
  header.setUint8(HeaderField.extrasLength, extras.length);
  header.setUint32(HeaderField.bodyLength, extras.length + key.length + value.length);
  header.setUint32(HeaderField.opaque, opaque);
  header.setUint32(HeaderField.cas + 4, cas);
  return latin1(new Uint8Array(header.buffer)) + extras + key + value;
}

/** Numbers of 32 bits as a byte string. */
export function words(...numbers: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(numbers.length * 4));
  numbers.forEach((number, i) => {
    view.setUint32(i * 4, number);
  });
  return latin1(new Uint8Array(view.buffer));
}

/**
 * Replies as lines: opcode, status, whether there is a cas, then what there is of opaque (unless it is the usual one),
 * extras, key and value. What is no packet comes as it is.
 */
export function describeReplies(received: string): string[] {
  const lines: string[] = [];
  const bytes = fromLatin1(received);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== 0x81 || bytes.length - at < BINARY_HEADER_BYTES) {
      const next = bytes.indexOf(0x81, at + 1);
      const end = next < 0 ? bytes.length : next;
      lines.push(JSON.stringify(latin1(bytes, at, end)));
      at = end;
      continue;
    }
    const extrasStart = at + BINARY_HEADER_BYTES;
    const keyStart = extrasStart + view.getUint8(at + HeaderField.extrasLength);
    const valueStart = keyStart + view.getUint16(at + HeaderField.keyLength);
    const end = extrasStart + view.getUint32(at + HeaderField.bodyLength);
    const opaque = view.getUint32(at + HeaderField.opaque);
    const hasCas = view.getBigUint64(at + HeaderField.cas) !== 0n;
    const parts = [
      hex(view.getUint8(at + HeaderField.opcode)),
      hex(view.getUint16(at + HeaderField.status)),
      hasCas ? "cas" : "-",
    ];
    if (opaque !== 0xdeadbeef) parts.push(`opaque ${opaque.toString(16)}`);
    if (keyStart > extrasStart) parts.push(`extras ${Array.from(bytes.subarray(extrasStart, keyStart), hex).join("")}`);
    if (valueStart > keyStart) parts.push(`key ${JSON.stringify(latin1(bytes, keyStart, valueStart))}`);
    if (end > valueStart) parts.push(JSON.stringify(latin1(bytes, valueStart, end)));
    lines.push(parts.join(" "));
    at = end;
  }
  return lines;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** Replies as lines of opcode, status (both in hexadecimal) and body; what is no packet comes as it is. */
export function describePackets(received: string): string {
  const lines: string[] = [];
  for (let at = 0; at < received.length; ) {
    const header = received.slice(at, at + BINARY_HEADER_BYTES);
    if (header.length < BINARY_HEADER_BYTES || !header.startsWith("\x81")) {
      lines.push(received.slice(at));
      break;
    }
    const view = new DataView(fromLatin1(header).buffer);
    const end = at + BINARY_HEADER_BYTES + view.getUint32(HeaderField.bodyLength);
    const numbers = [view.getUint8(HeaderField.opcode), view.getUint16(HeaderField.status)];
    lines.push([...numbers.map((number) => number.toString(16)), received.slice(at + BINARY_HEADER_BYTES, end)].join(" "));
    at = end;
  }
  return lines.join("\n");
}
