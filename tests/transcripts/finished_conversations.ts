/** Connections of recorded conversations that are over, and have to stay as silent as the recorded ones. */

import { assertEquals } from "@std/assert";
import type { TextClient } from "../support/text_client.ts";

const SILENCE_MS = 120;
const KEPT_MAX = 60;

export class FinishedConversations {
  readonly #kept: { readonly name: string; readonly client: TextClient }[] = [];

  /** Keeps a connection, whose answers have been looked at, open for a while. */
  add(name: string, client: TextClient): void {
    client.received = "";
    this.#kept.push({ name, client });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift()?.client.close();
  }

  /** Checks that nothing more has come, and closes them. */
  async staySilent(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    for (const { name, client } of this.#kept.splice(0)) {
      assertEquals(client.received, "", name);
      client.close();
    }
  }
}
