/**
 * Converts meta and binary requests for a node with only text commands (the C++ Flare): to text if the meaning is the same,
 * else refuses them. Sans I/O.
 */

import { EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import { parseUint64 } from "../../base/uint64.ts";
import { MutationKind } from "../../item/mutation.ts";
import { Command } from "../command.ts";
import { absoluteExpire } from "../expiry.ts";
import type { RemoteOutcome } from "../item_reply.ts";
import { MetaArgument, MetaFlag, type MetaFlags } from "../meta/meta_flags.ts";
import type { Request } from "../request.ts";
import { PROXY_ERROR } from "./refusal_lines.ts";
import { type ClientReply, encodeForwarded, ReplyShape } from "./text_client.ts";
import { isTextKey } from "./text_key.ts";

/** A request as text, and the shape of its answer. */
export interface TextFallback {
  readonly bytes: Uint8Array;
  readonly shape: ReplyShape;
}

/** Flags that text commands cannot express. */
const UNASKABLE = MetaFlag.t | MetaFlag.h | MetaFlag.l;
const OPAQUE = MetaArgument.O | MetaArgument.L | MetaArgument.P;

/**
 * `request` as text; `request.mutation` is filled for a write. Undefined: text commands cannot express it. `prefix` with its
 * brackets.
 */
export function encodeTextFallback(request: Request, prefix: string, nowSeconds: number): TextFallback | undefined {
  const { meta, mutation, command } = request;
  const given = meta.arguments & ~OPAQUE;
  if (!isTextKey(mutation.key.bytes, mutation.key.start, mutation.key.end) || (meta.flags & UNASKABLE) !== 0) return undefined;
  // Text commands do not return the version of a write. Binary clients get 0, which means none.
  const wantsVersion = (meta.flags & MetaFlag.c) !== 0 && request.opcode < 0;
  const expire = absoluteExpire(request.exptime, nowSeconds);
  const key = latin1(mutation.key.bytes, mutation.key.start, mutation.key.end);
  switch (command) {
    case Command.mg:
      if ((given & ~MetaArgument.C) === 0) return { bytes: fromLatin1(`gets ${key}\r\n`), shape: ReplyShape.values };
      if (given !== MetaArgument.T || wantsVersion) return undefined;
      return { bytes: fromLatin1(`${prefix}gat ${key} ${expire}\r\n`), shape: ReplyShape.value };
    case Command.ms:
      if ((given & ~(MetaArgument.F | MetaArgument.T | MetaArgument.M | MetaArgument.C)) !== 0 || wantsVersion)
        return undefined;
      return said(request, prefix, expire, storageCommand(mutation.kind, (given & MetaArgument.C) !== 0));
    case Command.md:
      if (given !== 0 || (meta.flags & MetaFlag.x) !== 0) return undefined;
      return said(request, prefix, 0, Command.delete);
    case Command.ma:
      if ((given & ~(MetaArgument.D | MetaArgument.M)) !== 0 || wantsVersion) return undefined;
      return said(request, prefix, 0, mutation.kind === MutationKind.incr ? Command.incr : Command.decr);
    default:
      return undefined;
  }
}

function said(request: Request, prefix: string, expire: number, command: Command | undefined): TextFallback | undefined {
  if (command === undefined) return undefined;
  const plain = request.clone();
  plain.command = command;
  plain.noreply = false;
  plain.mutation.version = command === Command.cas ? request.meta.compare : 0;
  return { bytes: encodeForwarded(plain, prefix, expire), shape: ReplyShape.line };
}

function storageCommand(kind: MutationKind, compares: boolean): Command | undefined {
  if (compares) return kind === MutationKind.set ? Command.cas : undefined;
  switch (kind) {
    case MutationKind.set:
      return Command.set;
    case MutationKind.add:
      return Command.add;
    case MutationKind.replace:
      return Command.replace;
    case MutationKind.append:
      return Command.append;
    default:
      return Command.prepend;
  }
}

const STATUSES: Readonly<Record<string, string>> = {
  STORED: "HD",
  DELETED: "HD",
  TOUCHED: "HD",
  NOT_STORED: "NS",
  EXISTS: "EX",
  NOT_FOUND: "NF",
  END: "EN",
};

/** Converts the answer to a fallback to the outcome of its request. */
export function parseTextAnswer(request: Request, answer: ClientReply): RemoteOutcome {
  const withValue = (request.meta.flags & MetaFlag.v) !== 0;
  if (answer.body.length > 0) return parseValue(answer.body, request.meta);
  const word = answer.line.split(" ")[0] ?? "";
  const nothing = { version: 0, flags: 0, value: EMPTY_BYTES, error: "" };
  if (request.command === Command.ma && /^\d+$/.test(word)) {
    return { ...nothing, status: withValue ? "VA" : "HD", value: withValue ? fromLatin1(word) : EMPTY_BYTES };
  }
  if (request.command === Command.mg && word === "NOT_FOUND") return { ...nothing, status: "EN" };
  const status = Object.hasOwn(STATUSES, word) ? STATUSES[word] : undefined;
  if (status !== undefined) return { ...nothing, status };
  return { ...nothing, status: "", error: word.endsWith("_ERROR") ? answer.line : PROXY_ERROR };
}

/** `VALUE <key> <flags> <bytes>[ <version>]` and the data, even with HD, because the answer may include its length. */
function parseValue(body: Uint8Array, { flags: wanted, arguments: given, compare }: MetaFlags): RemoteOutcome {
  const lineEnd = body.indexOf(0x0a) - 1;
  const [, , flags, bytes, version] = latin1(body, 0, lineEnd).split(" ");
  const versionBytes = fromLatin1(version ?? "0");
  const found = parseUint64(versionBytes, 0, versionBytes.length) ?? 0;
  const isKnown = (given & MetaArgument.C) !== 0 && compare === found;
  return {
    status: (wanted & MetaFlag.v) === 0 || isKnown ? "HD" : "VA",
    version: found,
    flags: Number(flags),
    value: body.slice(lineEnd + 2, lineEnd + 2 + Number(bytes)),
    error: "",
  };
}
