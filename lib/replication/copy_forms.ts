/**
 * The outcome of a write as requests for other nodes, which make them store the same: text lines where these say everything,
 * else meta lines, which only our own nodes understand. Pure.
 */

import { type Applied, MutationResult } from "../item/mutation.ts";
import type { RequestForms } from "../net/peer/peer.ts";
import type { RequestForm } from "../net/peer/peer_link.ts";
import {
  encodeReplicatedMetaDelete,
  encodeReplicatedMetaSet,
  encodeReplicatedMetaTouch,
} from "../protocol/meta/meta_client.ts";
import type { Request } from "../protocol/request.ts";
import {
  encodeOptions,
  encodeReplicatedDelete,
  encodeReplicatedSet,
  encodeTouch,
  ReplyShape,
} from "../protocol/text/text_client.ts";

/** A write that was executed here. */
export interface Outcome {
  readonly request: Request;
  readonly applied: Applied;
  /** The nodes it has passed through, with the brackets; may be empty. */
  readonly prefix: string;
  /** Undefined: a line of text cannot represent it. */
  readonly key: string | undefined;
  /** As in the request; for a deletion: until when the key is blocked. */
  readonly expire: number;
}

/** The forms of a copy that is not sent. */
export const NOTHING: RequestForms = { meta: undefined, plain: undefined };

/** The size of a request on its way. */
export function bytesOf({ meta, plain }: RequestForms): number {
  return (meta ?? plain)?.bytes.length ?? 0;
}

/** Whether a write has changed only the expiry or the marks of an item. */
export function isTouch({ result }: Applied): boolean {
  return result === MutationResult.touched || result === MutationResult.won;
}

/** What a write has changed. */
export function changeForms(outcome: Outcome, noreply: boolean): RequestForms {
  if (isTouch(outcome.applied)) return touchForms(outcome, noreply);
  return outcome.applied.result === MutationResult.deleted ? deletionForms(outcome, noreply) : itemForms(outcome, noreply);
}

/** The whole item. */
export function itemForms({ request, applied: { entry }, prefix, key }: Outcome, noreply: boolean): RequestForms {
  const isPlain = key !== undefined && entry.marks === 0;
  const meta = isPlain ? undefined : metaForm(encodeReplicatedMetaSet(prefix, request.mutation.key, entry));
  if (key === undefined) return { meta, plain: undefined };
  const value = entry.bytes.subarray(entry.valueStart, entry.valueEnd);
  const options = encodeOptions(request, noreply);
  const line = encodeReplicatedSet(prefix, key, entry.flags, entry.expire, entry.version, value, options);
  return { meta, plain: lineForm(line, noreply) };
}

function deletionForms({ request, applied: { entry }, prefix, key, expire }: Outcome, noreply: boolean): RequestForms {
  const { version } = entry;
  if (key === undefined)
    return { meta: metaForm(encodeReplicatedMetaDelete(prefix, request.mutation.key, expire, version)), plain: undefined };
  const line = encodeReplicatedDelete(prefix, key, expire, version, encodeOptions(request, noreply));
  return { meta: undefined, plain: lineForm(line, noreply) };
}

/** A touch that comes late must not change a newer item; the original does not understand which one it means. */
function touchForms({ request, applied: { entry }, prefix, key }: Outcome, noreply: boolean): RequestForms {
  const plain = key === undefined ? undefined : lineForm(encodeTouch(prefix, key, entry.expire, noreply), noreply);
  if (key === undefined || entry.marks !== 0)
    return { meta: metaForm(encodeReplicatedMetaTouch(prefix, request.mutation.key, entry)), plain };
  return { meta: lineForm(encodeTouch(prefix, key, entry.expire, noreply, entry.version), noreply), plain };
}

function lineForm(bytes: Uint8Array, noreply: boolean): RequestForm {
  return { bytes, shape: noreply ? undefined : ReplyShape.line };
}

/** Meta lines are always answered. */
function metaForm(bytes: Uint8Array): RequestForm {
  return { bytes, shape: ReplyShape.meta };
}
