/**
 * What a client may send before it has logged in: memcached's text login (a `set` whose data is `user password`) and SASL PLAIN
 * of the binary protocol, both with the same users. Like the parsers it reads `bytes[start, end)`. It answers as memcached 1.6
 * does, and needs at most `LOGIN_BYTES_MAX` bytes at a time. Sans I/O.
 */

import { latin1 } from "../../base/bytes.ts";
import { isKeyTooLong, MEMCACHED_KEY_BYTES_MAX } from "../../item/key_length.ts";
import {
  BINARY_HEADER_BYTES,
  BINARY_REQUEST,
  BinaryStatus,
  HeaderField,
  isSasl,
  Opcode,
} from "../../protocol/binary/binary_protocol.ts";
import { putBinaryError } from "../../protocol/binary/binary_reply.ts";
import { announcedLength } from "../../protocol/text/data_block.ts";
import { isHttpLine } from "../../protocol/text/http_line.ts";
import { UNAUTHENTICATED } from "../../protocol/text/refusal_lines.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";

/** The most bytes of a request that are kept for a client that has not logged in. */
export const LOGIN_BYTES_MAX = 2048;
/** Data blocks up to this length are skipped with an answer; a longer one closes the connection. */
const SKIPPED_BYTES_MAX = 16384;
/** Longest mechanism name that is recognized, as in memcached; longer ones are unknown, up to the length of a key. */
const MECHANISM_BYTES_MAX = 32;

const MECHANISM = "PLAIN";
const LF = 0x0a;
const CR = 0x0d;

/** The outcome of a read. */
export const LoginStep = {
  /** The request is incomplete; `needed` is its length, 0 = not known yet. */
  more: 0,
  /** There is an answer, and the client may try again. */
  answered: 1,
  /** Wrong name or password: the answer should be delayed. */
  failed: 2,
  /** The connection must be closed after the answer, if there is one. */
  refused: 3,
  /** It speaks HTTP: the connection must be closed without an answer. */
  http: 4,
} as const;
export type LoginStep = (typeof LoginStep)[keyof typeof LoginStep];

/** Knows the users. */
export interface Doorman {
  /** The answer to `version`, which the binary protocol allows before a login. */
  readonly version: string;
  /** Whether this is the user's password; every attempt is counted. */
  verify(user: string, password: Uint8Array): boolean;
}

export class Login {
  /** The end of the bytes read, as an index into the given bytes. */
  position = 0;
  /** With `more`: the length of the request in bytes, 0 = not known. */
  needed = 0;
  /** Bytes of the data block still to be skipped. */
  swallow = 0;
  /** The user, once authenticated. */
  user: string | undefined;
  readonly #doorman: Doorman;
  /** SASL was started without a message and continues with the next step. */
  #continues = false;
  #line = "";
  #opcode = -1;
  #opaque = 0;
  #status: BinaryStatus = BinaryStatus.success;

  constructor(doorman: Doorman) {
    this.#doorman = doorman;
  }

  /** Reads one request. */
  read(bytes: Uint8Array, start: number, end: number): LoginStep {
    this.needed = 0;
    this.swallow = 0;
    this.#line = "";
    this.#opcode = -1;
    return bytes[start] === BINARY_REQUEST ? this.#readBinary(bytes, start, end) : this.#readText(bytes, start, end);
  }

  /** Writes the answer to the last read. */
  answer(reply: TextReply): void {
    if (this.#opcode >= 0) putBinaryError(reply.segment, this.#opcode, this.#opaque, this.#status, this.#line || undefined);
    else if (this.#line !== "") reply.line(this.#line);
  }

  #readText(bytes: Uint8Array, start: number, end: number): LoginStep {
    const lineFeed = bytes.subarray(start, end).indexOf(LF);
    this.position = lineFeed < 0 ? end : start + lineFeed + 1;
    if (lineFeed < 0) return end - start > LOGIN_BYTES_MAX ? LoginStep.refused : LoginStep.more;
    const lineEnd = lineFeed > 0 && bytes[this.position - 2] === CR ? this.position - 2 : this.position - 1;
    if (isHttpLine(bytes, start, lineEnd)) return LoginStep.http;
    const length = announcedLength(bytes, start, lineEnd);
    if (Number.isNaN(length)) return this.#say(UNAUTHENTICATED);
    const dataStart = this.position;
    const dataEnd = dataStart + length;
    const needed = dataEnd + 2 - start;
    if (needed > SKIPPED_BYTES_MAX) return LoginStep.refused;
    const isLogin = wordsOf(bytes, start, lineEnd)[0] === "set";
    if (!isLogin || needed > LOGIN_BYTES_MAX) {
      this.swallow = length + 2;
      return this.#say(isLogin ? "CLIENT_ERROR bad authentication token format" : UNAUTHENTICATED);
    }
    if (dataEnd + 2 > end) {
      this.needed = needed;
      return LoginStep.more;
    }
    this.position = dataEnd + 2;
    if (bytes[dataEnd] !== CR || bytes[dataEnd + 1] !== LF) return this.#say("CLIENT_ERROR bad command line termination");
    const [user, password] = wordsOf(bytes, dataStart, dataEnd);
    if (user === undefined || password === undefined) return this.#say("CLIENT_ERROR bad authentication token format");
    if (
      this.#check(
        user,
        Uint8Array.from(password, (letter) => letter.charCodeAt(0)),
      )
    )
      return this.#say("STORED");
    this.#line = "CLIENT_ERROR authentication failure";
    return LoginStep.failed;
  }

  #say(line: string): LoginStep {
    this.#line = line;
    return LoginStep.answered;
  }

  #readBinary(bytes: Uint8Array, start: number, end: number): LoginStep {
    this.needed = BINARY_HEADER_BYTES;
    if (end - start < BINARY_HEADER_BYTES) return LoginStep.more;
    const header = new DataView(bytes.buffer, bytes.byteOffset + start, BINARY_HEADER_BYTES);
    const opcode = header.getUint8(HeaderField.opcode);
    const keyLength = header.getUint16(HeaderField.keyLength);
    const extrasLength = header.getUint8(HeaderField.extrasLength);
    const bodyLength = header.getUint32(HeaderField.bodyLength);
    this.position = start + BINARY_HEADER_BYTES;
    this.#opcode = opcode;
    this.#opaque = header.getUint32(HeaderField.opaque);
    if (opcode !== Opcode.version && !isSasl(opcode)) return this.#refuse(BinaryStatus.authenticationFailed);
    if (opcode === Opcode.version || opcode === Opcode.saslListMechanisms) {
      if (bodyLength > 0) return this.#refuse(BinaryStatus.invalidArguments);
      this.#line = opcode === Opcode.version ? this.#doorman.version : MECHANISM;
      this.#status = BinaryStatus.success;
      return LoginStep.answered;
    }
    const isName = keyLength > 0 && !isKeyTooLong(keyLength, MEMCACHED_KEY_BYTES_MAX);
    const isWrong = extrasLength > 0 || !isName || bodyLength < keyLength;
    this.needed = BINARY_HEADER_BYTES + bodyLength;
    if (isWrong || this.needed > LOGIN_BYTES_MAX) return this.#refuse(BinaryStatus.invalidArguments);
    if (end - start < this.needed) return LoginStep.more;
    const keyEnd = this.position + keyLength;
    const bodyEnd = this.position + bodyLength;
    const mechanism = latin1(bytes, this.position, keyEnd);
    this.position = bodyEnd;
    if (keyLength > MECHANISM_BYTES_MAX) {
      this.#status = BinaryStatus.invalidArguments;
      return LoginStep.answered;
    }
    return this.#readSasl(opcode, mechanism, bytes.subarray(keyEnd, bodyEnd));
  }

  #readSasl(opcode: number, mechanism: string, message: Uint8Array): LoginStep {
    // As in memcached, starting a login logs the client out.
    this.user = undefined;
    const isStep = opcode === Opcode.saslStep;
    const isPlain = isStep ? this.#continues : mechanism.toUpperCase() === MECHANISM;
    if (isPlain && message.length === 0 && !isStep) {
      this.#continues = true;
      this.#status = BinaryStatus.authenticationContinues;
      return LoginStep.answered;
    }
    const plain = isPlain ? parsePlain(message) : undefined;
    if (this.#check(plain?.user ?? "", plain?.password ?? message)) {
      this.#continues = false;
      this.#line = "Authenticated";
      this.#status = BinaryStatus.success;
      return LoginStep.answered;
    }
    this.#status = BinaryStatus.authenticationFailed;
    return LoginStep.failed;
  }

  #refuse(status: BinaryStatus): LoginStep {
    this.#status = status;
    return LoginStep.refused;
  }

  #check(user: string, password: Uint8Array): boolean {
    const isKnown = this.#doorman.verify(user, password);
    this.user = isKnown ? user : undefined;
    return isKnown;
  }
}

/** The space-separated words of `bytes[start, end)`; a zero byte ends them. */
function wordsOf(bytes: Uint8Array, start: number, end: number): string[] {
  const text = latin1(bytes, start, end);
  const zero = text.indexOf("\0");
  return (zero < 0 ? text : text.slice(0, zero)).split(" ").filter((word) => word !== "");
}

/** `[authorize-as] NUL user NUL password` (RFC 4616); authorizing as another user is refused. */
function parsePlain(message: Uint8Array): { user: string; password: Uint8Array } | undefined {
  const first = message.indexOf(0);
  const second = first < 0 ? -1 : message.indexOf(0, first + 1);
  if (second < 0 || message.includes(0, second + 1)) return undefined;
  const user = latin1(message, first + 1, second);
  if (first > 0 && latin1(message, 0, first) !== user) return undefined;
  return { user, password: message.subarray(second + 1) };
}
