/**
 * Converts the flags of a meta command to the storage's mutation. Binary requests use the same flags, so this is the only place
 * that defines their meaning. Pure.
 */

import { EntryMark } from "../../item/entry.ts";
import { MutationKind } from "../../item/mutation.ts";
import { Command } from "../command.ts";
import { absoluteExpire } from "../expiry.ts";
import type { Request } from "../request.ts";
import { MetaArgument, MetaFlag } from "./meta_flags.ts";

/** Modes of ms. */
const E = 0x45;
const A = 0x41;
const P = 0x50;
const R = 0x52;
const S = 0x53;
/** Modes of ma. */
const I = 0x49;
const PLUS = 0x2b;
const D = 0x44;
const MINUS = 0x2d;

/** Fills `request.mutation` and its terms from `request.meta`; returns the error line for an unknown mode, else "". */
export function fillMutation(request: Request, nowSeconds: number): string {
  const { mutation, terms, meta, command } = request;
  const given = meta.arguments;
  mutation.terms = terms;
  mutation.flags = meta.clientFlags;
  mutation.version = meta.newVersion;
  mutation.delta = meta.delta;
  // mg changes an item regardless of its version; its C is only about the answer.
  terms.compare = (given & MetaArgument.C) === 0 || command === Command.mg ? undefined : meta.compare;
  terms.invalidate = (given & MetaArgument.I) !== 0;
  terms.vivify = (given & MetaArgument.N) !== 0;
  terms.vivifyExpire = absoluteExpire(meta.vivifyExptime, nowSeconds);
  terms.initial = meta.initial;
  terms.updateExpire = (given & MetaArgument.T) !== 0;
  terms.recacheExpire = absoluteExpire(meta.recacheExptime, nowSeconds);
  terms.recacheFirst = meta.recacheFirst;
  terms.marks = ((given & MetaArgument.X) === 0 ? 0 : EntryMark.stale) | ((given & MetaArgument.W) === 0 ? 0 : EntryMark.won);
  switch (command) {
    case Command.ms:
      mutation.kind = storageKind(meta.mode, terms.compare !== undefined);
      return mutation.kind < 0 ? "CLIENT_ERROR invalid mode for ms M token" : "";
    case Command.ma:
      mutation.kind = arithmeticKind(meta.mode);
      return mutation.kind < 0 ? "CLIENT_ERROR invalid mode for ma M token" : "";
    case Command.md:
      if ((meta.flags & MetaFlag.x) !== 0) mutation.kind = MutationKind.clear;
      else mutation.kind = terms.invalidate ? MutationKind.invalidate : MutationKind.delete;
      // Only another node sets the version of a tombstone, and for it this is not a condition.
      if (mutation.kind === MutationKind.delete && request.prefix === undefined) mutation.version = 0;
      return "";
    default:
      mutation.kind = MutationKind.fetch;
      // Only another node says which version it has touched; a client's is that of an item to be created.
      if (!terms.vivify && request.prefix === undefined) mutation.version = 0;
      return "";
  }
}

/** As in memcached, a replace with a condition is a set with one. -1 = no such mode. */
function storageKind(mode: number, compares: boolean): MutationKind {
  switch (mode) {
    case 0:
    case S:
      return MutationKind.set;
    case E:
      return MutationKind.add;
    case A:
      return MutationKind.append;
    case P:
      return MutationKind.prepend;
    case R:
      return compares ? MutationKind.set : MutationKind.replace;
    default:
      return -1 as MutationKind;
  }
}

function arithmeticKind(mode: number): MutationKind {
  switch (mode) {
    case 0:
    case I:
    case PLUS:
      return MutationKind.incr;
    case D:
    case MINUS:
      return MutationKind.decr;
    default:
      return -1 as MutationKind;
  }
}
