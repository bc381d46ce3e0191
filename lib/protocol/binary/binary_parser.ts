/**
 * Parses the binary protocol: like the text parser a pure function over the bytes of a connection. Item requests become
 * equivalent meta commands, so that there is only one way to execute them. A header is checked before its body is awaited, and
 * bodies beyond the limits are never held.
 */

import { latin1 } from "../../base/bytes.ts";
import { UINT32_MAX } from "../../base/number_bounds.ts";
import { fromWords } from "../../base/uint64.ts";
import { isKeyTooLong } from "../../item/key_length.ts";
import { SyncMode } from "../../item/mutation.ts";
import { Command } from "../command.ts";
import { MetaArgument, MetaFlag } from "../meta/meta_flags.ts";
import type { Request } from "../request.ts";
import { ParseStatus, type TextLimits } from "../text/text_parser.ts";
import { BINARY_HEADER_BYTES, BinaryStatus, HeaderField, Opcode } from "./binary_protocol.ts";

/** The expiry of incr and decr that means: do not create a missing item. */
const NO_CREATION = UINT32_MAX;

/** The required form of a request with an opcode. */
interface Form {
  readonly command: Command;
  /** The accepted lengths of the extras. */
  readonly extras: readonly number[];
  readonly hasKey: boolean;
  readonly hasValue: boolean;
  /** The mode of ms and ma. */
  readonly mode: number;
}

export class BinaryParser {
  /** As in `TextParser`. */
  position = 0;
  needed = 0;
  swallow = 0;
  /** With `reject` and `fatal`: the status and the request to answer. */
  status: BinaryStatus = BinaryStatus.success;
  opcode = 0;
  opaque = 0;

  readonly #limits: TextLimits;

  constructor(limits: TextLimits) {
    this.#limits = limits;
  }

  /** Parses one request at `bytes[start, end)`, which begins with `BINARY_REQUEST`. The request's slices point into `bytes`. */
  parse(request: Request, bytes: Uint8Array, start: number, end: number): ParseStatus {
    this.swallow = 0;
    this.needed = BINARY_HEADER_BYTES;
    if (end - start < BINARY_HEADER_BYTES) return ParseStatus.more;
    this.opcode = bytes[start + HeaderField.opcode] as number;
    this.opaque = readUint32(bytes, start + HeaderField.opaque);
    const keyLength = readUint16(bytes, start + HeaderField.keyLength);
    const extrasLength = bytes[start + HeaderField.extrasLength] as number;
    const bodyLength = readUint32(bytes, start + HeaderField.bodyLength);
    this.position = start + BINARY_HEADER_BYTES;
    const valueLength = bodyLength - keyLength - extrasLength;
    if (valueLength < 0) return this.#refuse(BinaryStatus.unknownCommand, ParseStatus.fatal);
    const form = FORMS[this.opcode];
    if (form === undefined) {
      this.swallow = bodyLength;
      return this.#refuse(BinaryStatus.unknownCommand, ParseStatus.reject);
    }
    if (!form.extras.includes(extrasLength) || !form.hasKey !== (keyLength === 0) || (!form.hasValue && valueLength > 0)) {
      // Stat has an optional key.
      if (form.command !== Command.stats || extrasLength > 0 || valueLength > 0) {
        return this.#refuse(BinaryStatus.invalidArguments, ParseStatus.fatal);
      }
    }
    if (isKeyTooLong(keyLength, this.#limits.keyBytesMax))
      return this.#refuse(BinaryStatus.invalidArguments, ParseStatus.fatal);
    if (valueLength > this.#limits.valueBytesMax) {
      this.swallow = bodyLength;
      return this.#refuse(BinaryStatus.tooLarge, ParseStatus.reject);
    }
    this.needed = BINARY_HEADER_BYTES + bodyLength;
    if (end - start < this.needed) return ParseStatus.more;
    this.#fill(request, form, bytes, this.position, extrasLength, keyLength, valueLength);
    const cas = fromWords(readUint32(bytes, start + HeaderField.cas), readUint32(bytes, start + HeaderField.cas + 4));
    // As in memcached, reads and touch ignore it.
    if (cas !== 0 && form.command !== Command.mg) {
      request.meta.arguments |= MetaArgument.C;
      request.meta.compare = cas;
      // As in memcached, a condition turns it into a set, even an add.
      if (form.command === Command.ms && form.mode !== APPEND && form.mode !== PREPEND) request.meta.mode = SET;
    }
    this.position = start + this.needed;
    return ParseStatus.request;
  }

  #fill(
    request: Request,
    form: Form,
    bytes: Uint8Array,
    at: number,
    extrasLength: number,
    keyLength: number,
    valueLength: number,
  ): void {
    const { mutation, meta } = request;
    const keyStart = at + extrasLength;
    request.command = form.command;
    request.opcode = this.opcode;
    request.opaque = this.opaque;
    request.prefix = undefined;
    request.forwardedBy = undefined;
    request.noreply = false;
    request.syncMode = SyncMode.byDefault;
    request.exptime = 0;
    request.bytes = bytes;
    request.keysStart = 0;
    request.keysEnd = 0;
    mutation.key.bytes = bytes;
    mutation.key.start = keyStart;
    mutation.key.end = keyStart + keyLength;
    mutation.version = 0;
    mutation.value = bytes;
    mutation.valueStart = keyStart + keyLength;
    mutation.valueEnd = keyStart + keyLength + valueLength;
    mutation.terms = undefined;
    meta.reset();
    meta.mode = form.mode;
    switch (form.command) {
      case Command.mg:
        meta.flags = MetaFlag.c | MetaFlag.f;
        if (this.opcode !== Opcode.touch) meta.flags |= MetaFlag.v;
        if (extrasLength === 0) return;
        meta.arguments = MetaArgument.T;
        request.exptime = readUint32(bytes, at);
        return;
      case Command.ms:
        meta.flags = MetaFlag.c;
        if (extrasLength === 0) return;
        meta.arguments = MetaArgument.F | MetaArgument.T;
        meta.clientFlags = readUint32(bytes, at);
        request.exptime = readUint32(bytes, at + 4);
        return;
      case Command.ma:
        meta.flags = MetaFlag.c | MetaFlag.v;
        meta.arguments = MetaArgument.D;
        meta.delta = fromWords(readUint32(bytes, at), readUint32(bytes, at + 4));
        meta.initial = fromWords(readUint32(bytes, at + 8), readUint32(bytes, at + 12));
        meta.vivifyExptime = readUint32(bytes, at + 16);
        if (meta.vivifyExptime !== NO_CREATION) meta.arguments |= MetaArgument.N | MetaArgument.J;
        return;
      case Command.flush_all:
        if (extrasLength > 0) request.exptime = readUint32(bytes, at);
        return;
      case Command.stats:
        request.words = latin1(bytes, keyStart, keyStart + keyLength)
          .split(" ")
          .filter((word) => word !== "");
    }
  }

  #refuse(status: BinaryStatus, how: ParseStatus): ParseStatus {
    this.status = status;
    return how;
  }
}

const SET = 0x53;
const ADD = 0x45;
const REPLACE = 0x52;
const APPEND = 0x41;
const PREPEND = 0x50;
const INCREMENT = 0x49;
const DECREMENT = 0x44;

const FORMS: readonly (Form | undefined)[] = buildForms();

function buildForms(): (Form | undefined)[] {
  const forms: (Form | undefined)[] = [];
  const add = (
    opcodes: readonly Opcode[],
    command: Command,
    extras: readonly number[],
    hasKey: boolean,
    hasValue = false,
    mode = 0,
  ) => {
    for (const opcode of opcodes) forms[opcode] = { command, extras, hasKey, hasValue, mode };
  };
  add([Opcode.get, Opcode.getQuiet, Opcode.getKey, Opcode.getKeyQuiet], Command.mg, [0], true);
  add([Opcode.touch, Opcode.touchAndGet, Opcode.touchAndGetQuiet], Command.mg, [4], true);
  add([Opcode.touchAndGetKey, Opcode.touchAndGetKeyQuiet], Command.mg, [4], true);
  add([Opcode.set, Opcode.setQuiet], Command.ms, [8], true, true, SET);
  add([Opcode.add, Opcode.addQuiet], Command.ms, [8], true, true, ADD);
  add([Opcode.replace, Opcode.replaceQuiet], Command.ms, [8], true, true, REPLACE);
  add([Opcode.append, Opcode.appendQuiet], Command.ms, [0], true, true, APPEND);
  add([Opcode.prepend, Opcode.prependQuiet], Command.ms, [0], true, true, PREPEND);
  add([Opcode.delete, Opcode.deleteQuiet], Command.md, [0], true);
  add([Opcode.increment, Opcode.incrementQuiet], Command.ma, [20], true, false, INCREMENT);
  add([Opcode.decrement, Opcode.decrementQuiet], Command.ma, [20], true, false, DECREMENT);
  add([Opcode.quit, Opcode.quitQuiet], Command.quit, [0], false);
  add([Opcode.flush, Opcode.flushQuiet], Command.flush_all, [0, 4], false);
  add([Opcode.noop], Command.mn, [0], false);
  add([Opcode.version], Command.version, [0], false);
  add([Opcode.verbosity], Command.verbosity, [4], false);
  add([Opcode.stat], Command.stats, [0], false);
  return forms;
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
