/** The modular tables against the original's, cell by cell and key by key, and the edges the original falls over. */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "../../../lib/base/crc32.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { KeyResolver } from "../../../lib/cluster/key_resolver.ts";

interface Vectors {
  resolver_tables: {
    partition_size: number;
    hint: number;
    virtual: number;
    partitions: number;
    first_64: number[];
    table_crc32: string;
    slots_per_partition?: number[];
    slots_min_max?: [number, number];
  }[];
  key_to_partition: {
    key_hex: string;
    results: {
      hash: number;
      partition_size: number;
      hint: number;
      virtual: number;
      partition_by_count: Record<string, number | string>;
    }[];
  }[];
}

const vectors = JSON.parse(readFileSync(new URL("../../data/vectors-partitioning.json", import.meta.url), "utf8")) as Vectors;
const resolvers = new Map<string, KeyResolver>();

function resolverFor(partitionSize: number, hint: number, virtual: number): KeyResolver {
  const name = `${partitionSize} ${hint} ${virtual}`;
  const resolver = resolvers.get(name) ?? new KeyResolver({ partitionSize, hint, virtual });
  resolvers.set(name, resolver);
  return resolver;
}

function rowOf(resolver: KeyResolver, partitions: number): number[] {
  return Array.from({ length: resolver.options.virtual }, (_, cell) => resolver.resolve(cell, partitions));
}

describe("key resolver", () => {
  it("builds every table of the vectors", () => {
    assertEquals(vectors.resolver_tables.length, 112);
    for (const table of vectors.resolver_tables) {
      const row = rowOf(resolverFor(table.partition_size, table.hint, table.virtual), table.partitions);
      const name = `size ${table.partition_size} hint ${table.hint} virtual ${table.virtual} partitions ${table.partitions}`;
      assertEquals(row.slice(0, 64), table.first_64, name);
      assertEquals(
        crc32(Buffer.from(row.join(",")))
          .toString(16)
          .padStart(8, "0"),
        table.table_crc32,
        name,
      );
      const slots = Array.from({ length: table.partitions }, () => 0);
      for (const partition of row) slots[partition] = (slots[partition] ?? 0) + 1;
      if (table.slots_per_partition !== undefined) assertEquals(slots, table.slots_per_partition, name);
      if (table.slots_min_max !== undefined) assertEquals([Math.min(...slots), Math.max(...slots)], table.slots_min_max, name);
    }
  });

  it("places every key of the vectors", () => {
    assertEquals(vectors.key_to_partition.length, 96);
    for (const { key_hex, results } of vectors.key_to_partition) {
      for (const { hash, partition_size, hint, virtual, partition_by_count } of results) {
        const resolver = resolverFor(partition_size, hint, virtual);
        for (const [count, partition] of Object.entries(partition_by_count)) {
          const found = resolver.resolve(hash, Number(count));
          // A text stands where the original reads in front of its table: any partition there is will do.
          if (typeof partition === "number") assertEquals(found, partition, `${key_hex} among ${count}`);
          else assert(found >= 0 && found < Number(count), `${key_hex} among ${count}: ${found}`);
        }
      }
    }
  });

  it("gives the same rows in whatever order they are asked for, also after it dropped some", () => {
    const upwards = new KeyResolver({ partitionSize: 256, hint: 3, virtual: 512 });
    const downwards = new KeyResolver({ partitionSize: 256, hint: 3, virtual: 512 });
    const rows = new Map<number, number[]>();
    for (let count = 1; count < 256; count++) rows.set(count, rowOf(upwards, count));
    for (let count = 255; count >= 1; count--) assertEquals(rowOf(downwards, count), rows.get(count), `row ${count}`);
    assertEquals(rowOf(upwards, 7), rows.get(7));
  });

  it("moves keys to the new partition only", () => {
    const resolver = new KeyResolver({ partitionSize: 64, hint: 1, virtual: 4096 });
    for (let count = 2; count < 40; count++) {
      const before = rowOf(resolver, count - 1);
      const after = rowOf(resolver, count);
      assert(
        after.every((partition, cell) => partition === before[cell] || partition === count - 1),
        `row ${count}`,
      );
    }
  });

  it("puts the hash -2^31 into a cell of the table", () => {
    assertEquals(new KeyResolver({ partitionSize: 16, hint: 4, virtual: 4096 }).resolve(-2147483648, 4), 0);
    assertEquals(
      new KeyResolver({ partitionSize: 16, hint: 4, virtual: 1000 }).resolve(-2147483648, 4),
      (2147483648 % 1000) % 4,
    );
  });

  it("has no partition for a count outside its table", () => {
    const resolver = new KeyResolver({ partitionSize: 16, hint: 1, virtual: 64 });
    assertEquals(resolver.partitionCountMax, 15);
    for (const count of [0, -1, 16, 1.5, Number.NaN, 4294967296]) assertEquals(resolver.resolve(5, count), -1, `${count}`);
    assert(resolver.resolve(5, 15) >= 0);
  });

  it("refuses parameters that crash the original", () => {
    const good = { partitionSize: 1024, hint: 1, virtual: 4096 };
    const bad = [
      { hint: 0 },
      { virtual: 0 },
      { partitionSize: 1 },
      { virtual: 1.5 },
      { partitionSize: 65537 },
      { hint: Number.NaN },
      { virtual: 2 ** 24 + 1 },
    ];
    for (const fields of bad) {
      const error = assertThrows(() => new KeyResolver({ ...good, ...fields }), FlareError);
      assertEquals((error as FlareError).code, "INVALID_OPTION");
    }
  });
});
