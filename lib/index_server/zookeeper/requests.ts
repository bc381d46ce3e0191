/**
 * The requests that an index server sends to ZooKeeper, as values: what follows the head of a request, and what follows the
 * head of its reply. Several changes are one transaction. Pure.
 */

import { FlareError } from "../../base/errors.ts";
import { type Refusal, refusalOf } from "./codes.ts";
import type { JuteReader, JuteWriter } from "./jute.ts";

/** Version -1: whatever the znode's version is. */
export const ANY_VERSION = -1;

const MULTI = 14;
/** In the place of an operation's type: the operation of a transaction that was refused. */
const REFUSED = -1;

/** The result of a request, or why there is none. */
export type Answer<Result> =
  | { readonly ok: true; readonly value: Result }
  | { readonly ok: false; readonly refusal: Refusal; readonly path: string };

/** A request; see the functions that make them. */
export interface Request<Result> {
  readonly type: number;
  readonly path: string;
  /** It may change something, so it must not be sent twice. */
  readonly changes: boolean;
  /** Writes what follows the head. */
  encode(writer: JuteWriter): void;
  /** Reads what follows the head of the reply; a transaction may be refused there. */
  decode(reader: JuteReader): Answer<Result>;
}

/** What is known of a znode. */
export interface Stat {
  /** The transaction that created it: another one, if it was removed and created again. */
  readonly created: bigint;
  /** The transaction that set its content last. */
  readonly modified: bigint;
  /** How often its content was set. */
  readonly version: number;
  /** The session with which it ends; 0: it stays. */
  readonly owner: bigint;
}

/** A znode. */
export interface Znode {
  readonly data: Uint8Array;
  readonly stat: Stat;
}

/** Who may do something with a znode. */
export interface Permission {
  readonly scheme: string;
  readonly id: string;
}

/** Everybody may do everything. */
export const ANYBODY: Permission = { scheme: "world", id: "anyone" };
/** The user that creates the znode may do everything, others nothing. */
export const CREATOR: Permission = { scheme: "auth", id: "" };
const EVERYTHING = 31;

/** A kind of znode. */
export const Kind = { persistent: 0, ephemeral: 1, ephemeralSequential: 3 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Creates a znode; the result is its path, which a sequential one extends by a number. */
export function create(path: string, data: Uint8Array, permission: Permission, kind: Kind = Kind.persistent): Request<string> {
  return {
    ...requestOf(1, path, true, (reader) => reader.text()),
    encode: (writer) => {
      writer.text(path);
      writer.buffer(data);
      writer.int(1);
      writer.int(EVERYTHING);
      writer.text(permission.scheme);
      writer.text(permission.id);
      writer.int(kind);
    },
  };
}

export function remove(path: string, version = ANY_VERSION): Request<undefined> {
  return {
    ...requestOf(2, path, true, () => undefined),
    encode: (writer) => {
      writer.text(path);
      writer.int(version);
    },
  };
}

/** Whether there is such a znode. @param watches its next change is noticed, its creation, too */
export function exists(path: string, watches = false): Request<Stat> {
  return readRequest(3, path, watches, decodeStat);
}

/** @param watches its next change is noticed */
export function getData(path: string, watches = false): Request<Znode> {
  return readRequest(4, path, watches, (reader) => ({ data: reader.buffer(), stat: decodeStat(reader) }));
}

/** Replaces the content of a znode, if it has this version. */
export function setData(path: string, data: Uint8Array, version: number): Request<Stat> {
  return {
    ...requestOf(5, path, true, decodeStat),
    encode: (writer) => {
      writer.text(path);
      writer.buffer(data);
      writer.int(version);
    },
  };
}

/** The names of a znode's children, in no order. */
export function getChildren(path: string): Request<string[]> {
  return readRequest(8, path, false, (reader) => reader.texts());
}

/** What follows sees everything that was stored before. */
export function sync(path: string): Request<undefined> {
  return { ...requestOf(9, path, false, () => undefined), encode: (writer) => writer.text(path) };
}

/** The end of the session; its ephemeral znodes are gone with the reply. */
export function closeSession(): Request<undefined> {
  return { ...requestOf(-11, "", true, () => undefined), encode: () => undefined };
}

/** Several changes, all or none; the result is that of the one at `wanted`. */
export function transaction<Result>(changes: readonly Request<unknown>[], wanted: Request<Result>): Request<Result> {
  return {
    type: MULTI,
    path: wanted.path,
    changes: true,
    encode: (writer) => {
      for (const change of changes) {
        encodeOperationHead(writer, change.type, false);
        change.encode(writer);
      }
      encodeOperationHead(writer, REFUSED, true);
    },
    decode: (reader) => decodeTransaction(reader, changes, wanted),
  };
}

function requestOf<Result>(type: number, path: string, changes: boolean, read: (reader: JuteReader) => Result) {
  const decode = (reader: JuteReader): Answer<Result> => ({ ok: true, value: read(reader) });
  return { type, path, changes, decode };
}

function readRequest<Result>(
  type: number,
  path: string,
  watches: boolean,
  read: (reader: JuteReader) => Result,
): Request<Result> {
  return {
    ...requestOf(type, path, false, read),
    encode: (writer) => {
      writer.text(path);
      writer.boolean(watches);
    },
  };
}

function encodeOperationHead(writer: JuteWriter, type: number, isLast: boolean): void {
  writer.int(type);
  writer.boolean(isLast);
  writer.int(REFUSED);
}

function decodeTransaction<Result>(
  reader: JuteReader,
  changes: readonly Request<unknown>[],
  wanted: Request<Result>,
): Answer<Result> {
  let result: Answer<Result> | undefined;
  let refused: Answer<Result> | undefined;
  for (const change of changes) {
    const type = reader.int();
    reader.boolean();
    reader.int();
    if (type === REFUSED) {
      // The changes before the one that is refused have the code 0, those after it a code that says nothing.
      const code = reader.int();
      if (code !== 0) refused ??= { ok: false, refusal: refusalOf(code, change.path), path: change.path };
    } else if (change === wanted) result = wanted.decode(reader);
    else change.decode(reader);
  }
  const answer = refused ?? result;
  if (answer === undefined) throw new FlareError("CORRUPT", "malformed packet: the result of a transaction is missing");
  return answer;
}

function decodeStat(reader: JuteReader): Stat {
  const created = reader.long();
  const modified = reader.long();
  reader.long();
  reader.long();
  const version = reader.int();
  reader.int();
  reader.int();
  const owner = reader.long();
  reader.int();
  reader.int();
  reader.long();
  return { created, modified, version, owner };
}
