/**
 * Up to which positions other clusters have what this storage's partition has, by their addresses: notes in the change log, so
 * that they are as durable as what they speak of and go to the replicas with it. A note says that everything up to a position
 * of a history was acknowledged there. Pure.
 */

import type { Position } from "./positions.ts";

/** The other cluster at `target`, `host:port`, has everything up to the position. */
export interface Delivery extends Position {
  readonly target: string;
}

/** Targets remembered, the newest ones. */
const TARGETS_MAX = 8;
const DELIVERY = /^delivered ([0-9a-f]{16}) (\S{1,300})$/;

export class Deliveries {
  readonly #byTarget = new Map<string, Delivery>();

  /** Replaces what is known of the target. */
  note(delivery: Delivery): void {
    this.#byTarget.delete(delivery.target);
    this.#byTarget.set(delivery.target, delivery);
    for (const target of this.#byTarget.keys()) if (this.#byTarget.size > TARGETS_MAX) this.#byTarget.delete(target);
  }

  /** Undefined: nothing is known of it. */
  of(target: string): Position | undefined {
    return this.#byTarget.get(target);
  }

  /** The newest of each target. */
  get all(): readonly Delivery[] {
    return [...this.#byTarget.values()];
  }
}

/** The key of a note's record; its version is the sequence. */
export function encodeDelivery({ target, history }: Delivery): string {
  return `delivered ${history} ${target}`;
}

/** Reads a note from the key and the version of its record; undefined: it is none. */
export function decodeDelivery(key: string, version: number | bigint): Delivery | undefined {
  const [, history, target] = DELIVERY.exec(key) ?? [];
  return history === undefined || target === undefined ? undefined : { target, history, sequence: Number(version) };
}
