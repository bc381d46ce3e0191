/**
 * The conversations in the README are real: the text after `printf` is sent to a cluster, and the answer must be the lines
 * below it.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { detectRuntime, startCluster } from "../../mod.ts";
import { readRepositoryFile } from "../support/repository.ts";
import { TextClient } from "../support/text_client.ts";

/** `$ printf '<bytes>' | nc 127.0.0.1 12121` and the lines up to the end of the block. */
const conversation = /^\$ printf '([^']*)' \| nc 127\.0\.0\.1 12121\n([^`]*)^```$/gm;

/** What printf makes of a text. */
function printf(text: string): string {
  return text.replaceAll("\\r", "\r").replaceAll("\\n", "\n");
}

describe("the README", () => {
  it("shows conversations as they are", async () => {
    const shown = [...readRepositoryFile("README.md").matchAll(conversation)];
    assert(shown.length >= 2, `${shown.length} conversations found`);
    const cluster = await startCluster();
    try {
      const [address] = cluster.addresses;
      assert(address !== undefined);
      for (const [, sent = "", answer = ""] of shown) {
        const client = await TextClient.connect(detectRuntime(), address);
        await client.send(printf(sent));
        const received = await client.until(() => false);
        assertEquals(received.replaceAll("\r\n", "\n"), answer, sent);
      }
    } finally {
      await cluster.stop();
    }
  });

  it("imports from the package what the package has", async () => {
    const face: Record<string, unknown> = await import("../../mod.ts");
    const imports = [...readRepositoryFile("README.md").matchAll(/^import \{ ([\w, ]+) \} from "flare-kv";$/gm)];
    assert(imports.length > 0);
    for (const [, names = ""] of imports) for (const name of names.split(", ")) assert(name in face, name);
  });
});
