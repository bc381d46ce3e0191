/**
 * The token for changes over HTTP: where it comes from, which ones are refused, and a reload.
 *
 * Covers lib/net/auth/private_file.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { HttpTokens } from "../../../../lib/net/http/http_tokens.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

const TOKEN = "abcdefghijklmnop";
const PEER = "192.0.2.1:5";

class World {
  readonly network = new PlayedNetwork();
  readonly tokens = new HttpTokens(this.network.runtime);

  write(text: string): void {
    this.network.files.write("/token", fromLatin1(text));
  }
}

describe("the token for HTTP", () => {
  it("is not there unless a file is given", async () => {
    const { tokens } = new World();
    await tokens.open("");
    assertEquals([tokens.isSet, tokens.verify("", PEER), tokens.verify("undefined", PEER)], [false, false, false]);
  });

  it("is the word in the file", async () => {
    const world = new World();
    world.write(`${TOKEN}\r\n`);
    await world.tokens.open("/token");
    assertEquals([world.tokens.isSet, world.tokens.verify(TOKEN, PEER)], [true, true]);
    const others = ["", TOKEN.slice(1), `${TOKEN}q`, `${TOKEN}\0`, ` ${TOKEN}`, TOKEN.toUpperCase(), TOKEN + "x".repeat(5000)];
    for (const other of others) assertEquals(world.tokens.verify(other, PEER), false, other);
  });

  it("is not one that cannot be sent, or could be guessed", async () => {
    const world = new World();
    const wrong = [
      ["", 'http-token-file "/token" has a token of 0 characters: it must have 16 to 255'],
      ["short", 'http-token-file "/token" has a token of 5 characters: it must have 16 to 255'],
      ["x".repeat(256), 'http-token-file "/token" has a token of 256 characters: it must have 16 to 255'],
      [`${TOKEN} ${TOKEN}`, 'http-token-file "/token" must have one word of visible ASCII characters, and nothing else'],
      [`${TOKEN}\xe9`, 'http-token-file "/token" must have one word of visible ASCII characters, and nothing else'],
    ] as const;
    for (const [text, message] of wrong) {
      world.write(text);
      const error = await assertRejects(() => world.tokens.open("/token"), FlareError, message);
      assertEquals(error.code, "INVALID_OPTION");
    }
    await assertRejects(() => world.tokens.open("/none"), FlareError, 'http-token-file "/none" does not exist');
    assertEquals(world.tokens.isSet, false);
  });

  it("changes with a reload, and stays as it was if the file is not right", async () => {
    const world = new World();
    world.write(TOKEN);
    await world.tokens.open("/token");
    world.write("another-token-of-enough-length");
    await world.tokens.reload("/token");
    assertEquals(
      [world.tokens.verify(TOKEN, PEER), world.tokens.verify("another-token-of-enough-length", PEER)],
      [false, true],
    );
    world.write("short");
    await world.tokens.reload("/token");
    assert(world.tokens.verify("another-token-of-enough-length", PEER));
    assert(world.network.logged.some((line) => line.startsWith("error the token for HTTP stays as it was: ")));
    await world.tokens.reload("");
    assertEquals(world.tokens.isSet, false);
  });

  it("is read by its owner alone, or somebody says so", async () => {
    const world = new World();
    world.write(TOKEN);
    const { files } = world.network;
    const readable = {
      ...world.network.runtime,
      files: Object.assign(Object.create(files), { permissions: async () => 0o644 }),
    };
    await new HttpTokens(readable).open("/token");
    assertEquals(world.network.logged, [
      'warning others than its owner can read http-token-file "/token" (mode 644); set its mode to 600',
    ]);
  });
});
