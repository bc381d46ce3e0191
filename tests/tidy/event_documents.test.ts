/** docs/operations.md names every event of the node map, with its meaning, and none that does not exist. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { MAP_EVENTS } from "../../lib/cluster/map_events.ts";
import { readRepositoryFile } from "../support/repository.ts";

describe("documents on events", () => {
  it("have each of them", () => {
    const text = readRepositoryFile("docs/operations.md");
    const section = text.slice(text.indexOf("### Events"), text.indexOf("\n## ", text.indexOf("### Events")));
    const rows = [...section.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, kind, meaning]) => `${kind}: ${meaning}`);
    assertEquals(
      rows,
      Object.entries(MAP_EVENTS).map(([kind, meaning]) => `${kind}: ${meaning}`),
    );
  });
});
