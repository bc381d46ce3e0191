/** The numbers of memcached's binary protocol: opcodes, status codes and the offsets of header fields. Constants only. */

/** First byte of a request, which distinguishes it from a line of text. */
export const BINARY_REQUEST = 0x80;
/** First byte of a reply. */
export const BINARY_REPLY = 0x81;
export const BINARY_HEADER_BYTES = 24;

/** The offsets of the fields of a header, big-endian. */
export const HeaderField = { opcode: 1, keyLength: 2, extrasLength: 4, status: 6, bodyLength: 8, opaque: 12, cas: 16 } as const;

export const Opcode = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  replace: 0x03,
  delete: 0x04,
  increment: 0x05,
  decrement: 0x06,
  quit: 0x07,
  flush: 0x08,
  getQuiet: 0x09,
  noop: 0x0a,
  version: 0x0b,
  getKey: 0x0c,
  getKeyQuiet: 0x0d,
  append: 0x0e,
  prepend: 0x0f,
  stat: 0x10,
  setQuiet: 0x11,
  addQuiet: 0x12,
  replaceQuiet: 0x13,
  deleteQuiet: 0x14,
  incrementQuiet: 0x15,
  decrementQuiet: 0x16,
  quitQuiet: 0x17,
  flushQuiet: 0x18,
  appendQuiet: 0x19,
  prependQuiet: 0x1a,
  verbosity: 0x1b,
  touch: 0x1c,
  touchAndGet: 0x1d,
  touchAndGetQuiet: 0x1e,
  saslListMechanisms: 0x20,
  saslAuthenticate: 0x21,
  saslStep: 0x22,
  touchAndGetKey: 0x23,
  touchAndGetKeyQuiet: 0x24,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

export const BinaryStatus = {
  success: 0x00,
  notFound: 0x01,
  exists: 0x02,
  tooLarge: 0x03,
  invalidArguments: 0x04,
  notStored: 0x05,
  nonNumeric: 0x06,
  authenticationFailed: 0x20,
  authenticationContinues: 0x21,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
  notSupported: 0x83,
  internalError: 0x84,
} as const;
export type BinaryStatus = (typeof BinaryStatus)[keyof typeof BinaryStatus];

const STATUS_TEXTS: Readonly<Record<BinaryStatus, string>> = {
  [BinaryStatus.success]: "",
  [BinaryStatus.notFound]: "Not found",
  [BinaryStatus.exists]: "Data exists for key.",
  [BinaryStatus.tooLarge]: "Too large.",
  [BinaryStatus.invalidArguments]: "Invalid arguments",
  [BinaryStatus.notStored]: "Not stored.",
  [BinaryStatus.nonNumeric]: "Non-numeric server-side value for incr or decr",
  [BinaryStatus.authenticationFailed]: "Auth failure.",
  [BinaryStatus.authenticationContinues]: "",
  [BinaryStatus.unknownCommand]: "Unknown command",
  [BinaryStatus.outOfMemory]: "Out of memory",
  [BinaryStatus.notSupported]: "Not supported",
  [BinaryStatus.internalError]: "Internal error",
};

/** memcached's body text of a reply with this status. */
export function statusText(status: BinaryStatus): string {
  return STATUS_TEXTS[status];
}

/** Quiet opcodes do not answer a success; quiet reads do not answer a miss. */
export function isQuiet(opcode: number): boolean {
  return (
    opcode === Opcode.getQuiet ||
    opcode === Opcode.getKeyQuiet ||
    opcode === Opcode.touchAndGetQuiet ||
    opcode === Opcode.touchAndGetKeyQuiet ||
    (opcode >= Opcode.setQuiet && opcode <= Opcode.prependQuiet)
  );
}

/** Opcodes whose answer contains the key. */
export function answersKey(opcode: number): boolean {
  return (
    opcode === Opcode.getKey ||
    opcode === Opcode.getKeyQuiet ||
    opcode === Opcode.touchAndGetKey ||
    opcode === Opcode.touchAndGetKeyQuiet
  );
}

/** The opcodes of a login. */
export function isSasl(opcode: number | undefined): boolean {
  return opcode === Opcode.saslListMechanisms || opcode === Opcode.saslAuthenticate || opcode === Opcode.saslStep;
}
