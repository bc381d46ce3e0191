/**
 * Where the figures of a report go: a reply to `stats`, or a collection of them for metrics, so that every figure is read in
 * one place.
 */

import type { Uint64 } from "../base/uint64.ts";

/** Takes the lines of a report. */
export interface StatSink {
  stat(name: string, value: string | Uint64): void;
}

/** Keeps the figures of reports, by their names. */
export class StatFigures implements StatSink {
  readonly #figures = new Map<string, string | Uint64>();

  stat(name: string, value: string | Uint64): void {
    this.#figures.set(name, value);
  }

  /** The text of a figure; empty if there is none. */
  text(name: string): string {
    return String(this.#figures.get(name) ?? "");
  }

  /** A figure as a number, `yes` as 1 and `no` as 0; undefined if there is none, or it is no number. */
  number(name: string): number | bigint | undefined {
    const value = this.#figures.get(name);
    if (typeof value !== "string") return value;
    if (value === "yes" || value === "no") return value === "yes" ? 1 : 0;
    const number = value === "" ? Number.NaN : Number(value);
    return Number.isNaN(number) ? undefined : number;
  }

  /** The figures `<key>:<field>`, with their keys. */
  *fields(field: string): Generator<readonly [key: string, value: number | bigint]> {
    for (const name of this.#figures.keys()) {
      if (!name.endsWith(`:${field}`)) continue;
      const value = this.number(name);
      if (value !== undefined) yield [name.slice(0, -field.length - 1), value];
    }
  }
}
