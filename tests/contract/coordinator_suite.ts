/** The contract of every coordinator. Run by `coordinators.test.ts`. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { joinNode } from "../../lib/cluster/node_join.ts";
import { EMPTY_NODE_MAP, type NodeMap } from "../../lib/cluster/node_map.ts";
import type { StoredMap } from "../../lib/cluster/stored_map.ts";
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

const ONE: StoredMap = { map: withNode(EMPTY_NODE_MAP, "a"), term: 1 };
const TWO: StoredMap = { map: withNode(ONE.map, "b"), term: 7 };
const OTHER_TWO: StoredMap = { map: withNode(ONE.map, "c"), term: 1 };
/** Another term, the same map. */
const NEXT_TERM: StoredMap = { ...ONE, term: 2 };

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
      assertEquals([first.map, first.term], [EMPTY_NODE_MAP, 0]);
      const token = await coordinator.store(ONE, first.token);
      assertEquals(await coordinator.restore(), { ...ONE, token: token as string });
      assert((await coordinator.store(TWO, token as string)) !== undefined);
      assertEquals((await coordinator.restore()).map, TWO.map);
      await coordinator.close();
    });

    inPlace("gives the map to who comes later", async (place) => {
      const first = await place.open();
      await first.store(ONE, (await first.restore()).token);
      await first.close();
      const second = await place.open();
      assertEquals((await second.restore()).map, ONE.map);
      await second.close();
    });

    inPlace("stores nothing for somebody who has not seen the latest state", async (place) => {
      const coordinator = await place.open();
      const { token } = await coordinator.restore();
      await coordinator.store(ONE, token);
      assertEquals(await coordinator.store(TWO, token), undefined);
      assertEquals((await coordinator.restore()).map, ONE.map);
      await coordinator.close();
    });

    inPlace("makes another token for each state, also where only the term is another", async (place) => {
      const coordinator = await place.open();
      const first = await coordinator.restore();
      const second = (await coordinator.store(ONE, first.token)) as string;
      const third = (await coordinator.store(NEXT_TERM, second)) as string;
      assertEquals(new Set([first.token, second, third]).size, 3);
      assertEquals((await coordinator.restore()).term, NEXT_TERM.term);
      assertEquals(await coordinator.store(OTHER_TWO, second), undefined);
      await coordinator.close();
    });

    inPlace("lets one of many stores at the same time win, and says which", async (place) => {
      const coordinator = await place.open();
      const { token } = await coordinator.restore();
      const maps = Array.from({ length: STORES }, (_, i) => withNode(EMPTY_NODE_MAP, `host${i}`));
      const outcomes = await Promise.all(maps.map((map) => coordinator.store({ map, term: 1 }, token)));
      const won = maps.filter((_, i) => outcomes[i] !== undefined);
      assertEquals(won.length, 1);
      assertEquals((await coordinator.restore()).map, won[0]);
      await coordinator.close();
    });
  });
}
