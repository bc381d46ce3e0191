/** The contract of every coordinator. Run by `coordinators.test.ts`. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { HISTORY_MAX, type MapRecord } from "../../lib/cluster/map_record.ts";
import { joinNode } from "../../lib/cluster/node_join.ts";
import { EMPTY_NODE_MAP, type NodeMap } from "../../lib/cluster/node_map.ts";
import type { StoredMap } from "../../lib/cluster/stored_map.ts";
import type { Coordinator, Election, Leader } from "../../lib/index_server/coordinator.ts";

/** A store of a node map that nobody has used. */
export interface CoordinatorPlace {
  /** What an index server would use; called again, another one on the same map. */
  open(): Promise<Coordinator>;
  /** Lets this time pass for its leases; absent: it has no elections. */
  wait?(ms: number): Promise<void>;
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
/** More than the history keeps. */
const RECORDED_STORES = HISTORY_MAX + 5;

function recordOf({ map, term }: StoredMap, cause: string): MapRecord {
  const node = map.nodes.at(-1)?.key;
  return { version: map.version, term, atMs: 1_800_000_000_000, server: "index:1", cause, events: [`added "${node}": proxy`] };
}

/** The shortest that etcd grants. */
const LEASE_MS = 2000;
/** A service may end a lease later than it has to. */
const LATE_MS = 2000;
const CANDIDATES = 5;
const leader = (host: string): Leader => ({ address: { host, port: 1 }, sinceMs: 1_800_000_000_000 });
const A = leader("a");
const B = leader("b");

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

    inPlace("has a history of what was stored, for who comes later, too", async (place) => {
      const coordinator = await place.open();
      assertEquals(await coordinator.history(), []);
      const { token } = await coordinator.restore();
      const next = await coordinator.store(ONE, token, recordOf(ONE, "first"));
      assertEquals(await coordinator.store(OTHER_TWO, token, recordOf(OTHER_TWO, "too late")), undefined);
      const third = await coordinator.store(TWO, next as string, recordOf(TWO, "second"));
      assert((await coordinator.store({ ...TWO, term: 8 }, third as string)) !== undefined);
      const expected = [recordOf(ONE, "first"), recordOf(TWO, "second")];
      assertEquals(await coordinator.history(), expected);
      await coordinator.close();
      const later = await place.open();
      assertEquals(await later.history(), expected);
      await later.close();
    });

    inPlace("keeps as much of the history as it should, the newest part of it", async (place) => {
      const coordinator = await place.open();
      for (let count = 1; count <= RECORDED_STORES; count++) {
        const { token } = await coordinator.restore();
        const stored = { map: ONE.map, term: count };
        assert((await coordinator.store(stored, token, recordOf(stored, `store ${count}`))) !== undefined);
      }
      const kept = Array.from({ length: HISTORY_MAX }, (_, i) => `store ${RECORDED_STORES - HISTORY_MAX + 1 + i}`);
      assertEquals(
        (await coordinator.history()).map(({ cause }) => cause),
        kept,
      );
      await coordinator.close();
    });

    inPlace("keeps the mark of a map that is moved, until another one is stored", async (place) => {
      const coordinator = await place.open();
      const marked = { ...ONE, mark: { kind: "gone to", place: "etcd://e:2379/k" } } as const;
      const token = (await coordinator.store(marked, (await coordinator.restore()).token)) as string;
      assertEquals(await coordinator.restore(), { ...marked, token });
      const next = (await coordinator.store(TWO, token)) as string;
      assertEquals(await coordinator.restore(), { ...TWO, token: next });
      await coordinator.close();
    });

    inPlace("says where the map is", async (place) => {
      const coordinator = await place.open();
      assert(/^\w+:\/\//.test(coordinator.place), coordinator.place);
      await coordinator.close();
    });
  });
}

/** The contract of every coordinator with elections. */
export function electionSuite(
  name: string,
  create: () => Promise<CoordinatorPlace>,
  options: { readonly skip?: string | false } = {},
): void {
  describe(`elections ${name}`, { skip: options.skip ?? false }, () => {
    const inPlace = (
      text: string,
      test: (open: () => Promise<Election>, wait: (ms: number) => Promise<void>) => Promise<void>,
    ) =>
      it(text, async () => {
        const place = await create();
        const opened: Coordinator[] = [];
        const open = async () => {
          const coordinator = await place.open();
          opened.push(coordinator);
          assert(coordinator.election !== undefined);
          return coordinator.election;
        };
        try {
          await test(open, async (ms) => place.wait?.(ms));
        } finally {
          for (const coordinator of opened) await coordinator.close();
          await place.dispose();
        }
      });

    inPlace("give one candidate the lead, tell the others who has it, and how long it lasts", async (open) => {
      const [one, other] = [await open(), await open()];
      assertEquals(await one.campaign(A, LEASE_MS, true), { leader: A, isOwn: true, leaseMs: LEASE_MS });
      const { leader, isOwn } = await other.campaign(B, LEASE_MS, true);
      assertEquals([leader, isOwn], [A, false]);
      // It leads since it was elected, whatever it says later.
      const later = { ...A, sinceMs: A.sinceMs + 5000 };
      assertEquals(await one.campaign(later, LEASE_MS, false), { leader: A, isOwn: true, leaseMs: LEASE_MS });
    });

    inPlace("give it to one of many candidates at the same time, and all know to which", async (open) => {
      const elections = await Promise.all(Array.from({ length: CANDIDATES }, open));
      const standings = await Promise.all(elections.map((each, i) => each.campaign(leader(`host${i}`), LEASE_MS, true)));
      const elected = standings.findIndex(({ isOwn }) => isOwn);
      assertEquals(standings.filter(({ isOwn }) => isOwn).length, 1);
      assertEquals(new Set(standings.map((standing) => standing.leader?.address.host)), new Set([`host${elected}`]));
    });

    inPlace("keep it for who renews it, and give it to another one when that ends", async (open, wait) => {
      const [one, other] = [await open(), await open()];
      await one.campaign(A, LEASE_MS, false);
      for (let passedMs = 0; passedMs < 1.5 * LEASE_MS; passedMs += LEASE_MS / 4) {
        await wait(LEASE_MS / 4);
        assertEquals((await one.campaign(A, LEASE_MS, false)).isOwn, true);
        assertEquals((await other.campaign(B, LEASE_MS, false)).leader, A);
      }
      await wait(LEASE_MS + LATE_MS);
      assertEquals((await other.campaign(B, LEASE_MS, false)).isOwn, true);
      const { leader, isOwn } = await one.campaign(A, LEASE_MS, false);
      assertEquals([leader, isOwn], [B, false]);
    });

    inPlace("give it to another one at once when it is given up, and not by who does not have it", async (open) => {
      const [one, other] = [await open(), await open()];
      await one.campaign(A, LEASE_MS, false);
      await other.campaign(B, LEASE_MS, false);
      await other.resign();
      assertEquals((await one.campaign(A, LEASE_MS, false)).isOwn, true);
      await one.resign();
      assertEquals((await other.campaign(B, LEASE_MS, false)).isOwn, true);
    });

    inPlace("let a restarted candidate take over the lead of its former process, and nobody else's", async (open) => {
      const former = await open();
      await former.campaign(A, LEASE_MS, false);
      assertEquals((await (await open()).campaign(A, LEASE_MS, false)).isOwn, false);
      assertEquals((await (await open()).campaign(B, LEASE_MS, true)).isOwn, false);
      const again = await open();
      const restarted = { ...A, sinceMs: A.sinceMs + 5000 };
      assertEquals(await again.campaign(restarted, LEASE_MS, true), { leader: restarted, isOwn: true, leaseMs: LEASE_MS });
      const { leader, isOwn } = await former.campaign(A, LEASE_MS, false);
      assertEquals([leader, isOwn], [restarted, false]);
    });
  });
}
