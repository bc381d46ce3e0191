/** The contract of every coordinator. Run by `coordinators.test.ts`. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { joinNode } from "../../lib/cluster/node_join.ts";
import { EMPTY_NODE_MAP, type NodeMap } from "../../lib/cluster/node_map.ts";
import type { Coordinator } from "../../lib/index_server/coordinator.ts";

/** A store of a node map that nobody has used. */
export interface CoordinatorPlace {
  /** What an index server would use; called again, another one on the same map. */
  open(): Promise<Coordinator>;
  /** Removes the place. */
  dispose(): Promise<void>;
}

/** A map with one more node. */
export function withNode(map: NodeMap, host: string): NodeMap {
  const outcome = joinNode(map, { host, port: 1, data: { id: "ab12", kind: "kept", openings: ["3"] }, silent: false });
  assert(outcome.ok);
  return outcome.map;
}

const MAP1 = withNode(EMPTY_NODE_MAP, "a");
const MAP2 = withNode(MAP1, "b");
const OTHER2 = withNode(MAP1, "c");

const STORES = 20;

export function coordinatorSuite(
  name: string,
  create: () => Promise<CoordinatorPlace>,
  options: { readonly skip?: string | false } = {},
): void {
  describe(`coordinator ${name}`, { skip: options.skip ?? false }, () => {
    const inPlace = (text: string, test: (place: CoordinatorPlace) => Promise<void>) =>
      it(text, async () => {
        const place = await create();
        try {
          await test(place);
        } finally {
          await place.dispose();
        }
      });

    inPlace("starts with an empty map and gives back what was stored", async (place) => {
      const coordinator = await place.open();
      const first = await coordinator.restore();
      assertEquals(first.map, EMPTY_NODE_MAP);
      const token = await coordinator.store(MAP1, first.token);
      assertEquals(await coordinator.restore(), { map: MAP1, token: token as string });
      assert((await coordinator.store(MAP2, token as string)) !== undefined);
      assertEquals((await coordinator.restore()).map, MAP2);
      await coordinator.close();
    });

    inPlace("gives the map to who comes later", async (place) => {
      const first = await place.open();
      await first.store(MAP1, (await first.restore()).token);
      await first.close();
      const second = await place.open();
      assertEquals((await second.restore()).map, MAP1);
      await second.close();
    });

    inPlace("stores nothing for somebody who has not seen the latest state", async (place) => {
      const coordinator = await place.open();
      const { token } = await coordinator.restore();
      await coordinator.store(MAP1, token);
      assertEquals(await coordinator.store(MAP2, token), undefined);
      assertEquals((await coordinator.restore()).map, MAP1);
      await coordinator.close();
    });

    inPlace("makes another token for each state, also for one that was there before", async (place) => {
      const coordinator = await place.open();
      const first = await coordinator.restore();
      const second = (await coordinator.store(MAP1, first.token)) as string;
      const third = (await coordinator.store(MAP2, second)) as string;
      assertEquals(new Set([first.token, second, third]).size, 3);
      assertEquals(await coordinator.store(OTHER2, second), undefined);
      await coordinator.close();
    });

    inPlace("lets one of many stores at the same time win, and says which", async (place) => {
      const coordinator = await place.open();
      const { token } = await coordinator.restore();
      const maps = Array.from({ length: STORES }, (_, i) => withNode(EMPTY_NODE_MAP, `host${i}`));
      const outcomes = await Promise.all(maps.map((map) => coordinator.store(map, token)));
      const won = maps.filter((_, i) => outcomes[i] !== undefined);
      assertEquals(won.length, 1);
      assertEquals((await coordinator.restore()).map, won[0]);
      await coordinator.close();
    });
  });
}
