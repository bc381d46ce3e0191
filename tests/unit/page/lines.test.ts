/** Lines of a body that comes in pieces. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { linesOf } from "../../../page/model/lines.ts";

async function lines(chunks: readonly (string | Uint8Array)[]): Promise<string[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      controller.close();
    },
  });
  const found: string[] = [];
  for await (const line of linesOf(body)) found.push(line);
  return found;
}

describe("the lines of a body", () => {
  it("are whole, wherever they were cut", async () => {
    assertEquals(await lines(["a\nb", "c\n", "\n", "d"]), ["a", "bc", "d"]);
    const bytes = new TextEncoder().encode("日本\n");
    assertEquals(await lines([bytes.subarray(0, 2), bytes.subarray(2)]), ["日本"]);
  });

  it("are none of none", async () => {
    assertEquals(await lines([]), []);
    for await (const line of linesOf(null)) assertEquals(line, "nothing");
  });
});
