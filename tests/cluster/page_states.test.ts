/**
 * The page in a browser, against a server that is played: the states a real cluster is rarely in, each view in each language
 * and colours, and what it asks the server for.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Browser } from "puppeteer-core";
import { from64, to64 } from "../../lib/web/browser/model/bytes.ts";
import type { HistoryPoint } from "../../lib/web/browser/model/cluster.ts";
import { openPage, PHONE, SCREEN, startBrowser, type Window, withoutBrowser } from "../support/browser.ts";
import { playedCluster, playedNode } from "../support/page_cluster.ts";
import { PageDriver } from "../support/page_driver.ts";
import { PLAYED_TOKEN, PlayedPageServer } from "../support/played_page_server.ts";

const [FIRST, SECOND, THIRD, FOURTH] = ["10.0.0.11:12121", "10.0.0.12:12121", "10.0.0.13:12121", "10.0.0.14:12121"] as const;
const figures = { version: "2.0.0", balance: 1, items: 12345, uptimeS: 4000, epoch: 3, connections: 5 };
const master = playedNode(FIRST, { ...figures, role: "master", partition: 0 });
const slave = playedNode(SECOND, {
  ...figures,
  role: "slave",
  partition: 0,
  inSync: true,
  lagEntries: 0,
  lagBytes: 0,
  lagS: 0,
});
const copying = playedNode(THIRD, {
  role: "slave",
  state: "prepare",
  partition: 0,
  copy: { phase: "copying", done: 250, total: 1000, etaS: 90 },
});
const proxy = playedNode(FOURTH, { error: "connection refused" });
const healthy = [master, slave, copying, proxy];
const dead = playedNode(FIRST, { state: "down", error: "it does not answer" });
const failedOver = [dead, { ...slave, role: "master" as const }, copying, proxy];

const HISTORY_POINTS = 720;

const problems: string[] = [];
let browser: Browser;

async function withPage(
  work: (driver: PageDriver, server: PlayedPageServer) => Promise<void>,
  window: Window = SCREEN,
  prepare: (server: PlayedPageServer) => void = () => undefined,
): Promise<void> {
  const server = await PlayedPageServer.start(playedCluster(healthy));
  prepare(server);
  const page = await openPage(browser, server.url, window, problems);
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url)) foreign.push(request.url());
  });
  try {
    const driver = new PageDriver(page);
    await driver.see("[data-node]");
    await work(driver, server);
    assertEquals([problems.splice(0), foreign], [[], []]);
  } finally {
    await page.browserContext().close();
    await server.stop();
  }
}

/** Figures that go up and down; some are missing. */
function point(i: number, atMs: number): HistoryPoint {
  const wave = (size: number, length: number): number => size * (1 + 0.3 * Math.sin(i / length) + 0.1 * Math.sin(i * 1.7));
  const [get, set, misses] = [wave(12_000, 60), wave(3000, 45), wave(400, 30)];
  const latencies = i % 300 < 280 ? { p50: wave(0.12, 50), p99: wave(1.1, 20) } : { p50: null, p99: null };
  const sizes = { items: 120_000 + 40 * i, memory: 30_000_000 + 9000 * i, disk: 90_000_000 + 12_000 * i };
  return {
    atMs,
    get,
    set,
    hits: get - misses,
    misses,
    ...latencies,
    lagS: wave(0.004, 9),
    lagEntries: Math.round(wave(3, 11)),
    connections: 48,
    ...sizes,
  };
}

/** Everything that a view can show. */
function fill(server: PlayedPageServer): void {
  const nowMs = Date.now();
  server.history = Array.from({ length: HISTORY_POINTS }, (_, i) => point(i, nowMs - 5000 * (HISTORY_POINTS - i)));
  server.happened = [{ id: 1, atMs: nowMs, text: `${FIRST} is the master of partition 0`, kind: "promoted", node: FIRST }];
  const [key64] = [to64(new TextEncoder().encode("greeting"))];
  const slow = { atMs: nowMs, node: FIRST, client: "10.0.0.7:5000", command: "get", requests: 1, key64, keyBytes: 8, ms: 120 };
  const alone = { ...slow, bytes: 5, waitedFor: SECOND };
  const several = { ...slow, requests: 3, key64: null, keyBytes: null, bytes: null, waitedFor: null };
  server.slow = { thresholdMs: 100, count: 7, entries: [alone, several], unreachable: [] };
  const rates = { perSecond: 300, readsPerSecond: 250, writesPerSecond: 50 };
  const hot = { key64, keyBytes: 300, share: 0.25, shareMin: 0.2, shareMax: 0.31, ...rates };
  server.hot = {
    ...{ sampled: 1000, perSecond: 1200, unreachable: [{ server: SECOND, error: "refused" }] },
    keys: [{ ...hot, nodes: [{ node: FIRST, perSecond: 300 }] }],
  };
  server.items.set(key64, { value64: to64(new TextEncoder().encode('{"hello":"world"}')), flags: 0, ttl: -1, version: 4 });
}

describe("the page", { skip: withoutBrowser, timeout: 300_000 }, () => {
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser?.close());

  it("says since when its figures are stale when the stream is lost, and that they are live when it is back", () =>
    withPage(async (driver, server) => {
      await driver.see("#link", "Live");
      assertEquals(await driver.count("#stale"), 0);
      server.refusal = 503;
      server.cut();
      await driver.see("#link", "Stale since");
      assertMatch((await driver.text("#stale")) ?? "", /lost.*as of \d\d:\d\d:\d\d, .* ago/);
      await driver.see("main[data-live=false]");
      await driver.see("#announcements", "The connection is lost, the figures are stale");
      assertMatch(await driver.page.title(), /^\? /);
      server.refusal = undefined;
      await driver.see("#link", "Live");
      await driver.see("main[data-live=true]");
      assertEquals(await driver.count("#stale"), 0);
    }));

  it("does not take a silent stream for a live one", () =>
    withPage(async (driver) => {
      // The played server sends one snapshot, and nothing afterwards.
      await driver.see("#link", "Live");
      await driver.see("#link", "Stale since");
    }));

  it("shows what it does not know as unknown, never as zero", () =>
    withPage(async (driver) => {
      const card = `[data-node="${FOURTH}"]`;
      const shown = await driver.ask<string[]>(`[...document.querySelectorAll('${card} dd')].map((each) => each.textContent)`);
      assert(shown.length >= 5, shown.join());
      for (const text of shown) assertEquals(text, "–unknown");
      await driver.see(card, "connection refused");
      const known = await driver.ask<string>(`document.querySelector('[data-node="${SECOND}"]').textContent`);
      assertMatch(known, /Lag0/);
    }));

  it("shows a dead node where it was, by more than a colour, and says it aloud", () =>
    withPage(async (driver, server) => {
      server.show(playedCluster(failedOver));
      const card = `.column [data-node="${FIRST}"]`;
      await driver.see(card, "was master");
      await driver.see(card, "down");
      await driver.see("#announcements", `${FIRST} is down`);
      await driver.see("#announcements", `${SECOND} is now the master of partition 0`);
      await driver.see(".facts", "1 of them down");
      assertMatch(await driver.page.title(), /^\(1 down\) /);
      const look = await driver.ask<string[]>(
        `[getComputedStyle(document.querySelector('${card}'))].flatMap((style) => [style.borderStyle, style.backgroundImage])`,
      );
      assertEquals(look[0], "dashed");
      assertMatch(look[1] ?? "", /gradient/);
      await driver.click(".choice label", "Table");
      await driver.see(`tr[data-node="${FIRST}"]`, "down");
    }));

  it("shows how far a copy is and how long it takes", () =>
    withPage(async (driver) => {
      await driver.see(`[data-node="${THIRD}"]`, "250 of 1,000, 1m 30s left");
      assertEquals(await driver.ask(`document.querySelector('[data-node="${THIRD}"] progress').position`), 0.25);
    }));

  it("asks for the token once, says why it was refused, and keeps it in this tab alone", () =>
    withPage(
      async (driver, server) => {
        await driver.view("data");
        await driver.fill('input[name="key"]', "greeting");
        await driver.page.keyboard.press("Enter");
        await driver.giveToken("wrong");
        await driver.see("dialog [role=alert]", "the token is wrong");
        await driver.giveToken(PLAYED_TOKEN);
        await driver.see(".item", '"hello": "world"');
        await driver.fill('input[name="prefix"]', "g");
        await driver.page.keyboard.press("Enter");
        await driver.see(".table", "greeting");
        const withToken = server.calls.filter(({ path }) => /item|scan/.test(path)).map(({ token }) => token);
        assertEquals(withToken, ["wrong", PLAYED_TOKEN, PLAYED_TOKEN]);
        assertEquals(
          await driver.ask(`Object.values(localStorage).concat(document.cookie).join().includes("${PLAYED_TOKEN}")`),
          false,
        );
        await driver.click("button", "Forget the token");
        assertEquals(await driver.ask("sessionStorage.length"), 0);
      },
      SCREEN,
      fill,
    ));

  it("previews a change with its warnings before it is carried out, and shows each step", () =>
    withPage(async (driver, server) => {
      server.plan = { steps: [`make ${SECOND} the master`], warnings: ["the former master has to copy"] };
      server.outcome = { done: ["held requests", "the map is changed"] };
      await driver.click(`[data-node="${SECOND}"] button.name`);
      await driver.click("dialog button", "Preview");
      await driver.giveToken(PLAYED_TOKEN);
      await driver.see("dialog .steps", `make ${SECOND} the master`);
      await driver.see("dialog .warnings", "the former master has to copy");
      const asked = { verb: "promote", nodes: [SECOND], options: {} };
      const bodies = (): unknown[] =>
        server.calls.flatMap(({ path, token, body }) => (path === "/api/change" && token === PLAYED_TOKEN ? [body] : []));
      assertEquals(bodies(), [{ ...asked, dryRun: true }]);
      await driver.click("dialog button", "Carry out");
      await driver.see("dialog .steps", "the map is changed");
      await driver.see("dialog [role=status]", "Done.");
      assertEquals(bodies(), [
        { ...asked, dryRun: true },
        { ...asked, confirm: true },
      ]);
    }));

  it("makes a partition of proxies, with the slaves that were chosen", () =>
    withPage(async (driver, server) => {
      const fifth = "10.0.0.15:12121";
      server.show(playedCluster([...healthy, playedNode(fifth, {})]));
      await driver.see(`[data-node="${fifth}"]`);
      await driver.click(`[data-node="${FOURTH}"] button.name`);
      await driver.page.select("dialog select", "part");
      await driver.click("dialog fieldset label", fifth);
      assertEquals(await driver.accessibility(), []);
      await driver.click("dialog button", "Preview");
      await driver.giveToken(PLAYED_TOKEN);
      await driver.see("dialog .warnings, dialog .preview");
      const bodies = server.calls.flatMap(({ path, token, body }) =>
        path === "/api/change" && token === PLAYED_TOKEN ? [body] : [],
      );
      const targets = [FOURTH, fifth].map((node) => ({ node, partition: 1, balance: 1 }));
      assertEquals(bodies, [{ verb: "part", targets, options: {}, dryRun: true }]);
    }));

  it("says what the server refuses, and what fails half-way", () =>
    withPage(async (driver, server) => {
      server.plan = { status: 409, steps: [], warnings: [], error: "it is not an active slave" };
      await driver.click(`[data-node="${SECOND}"] button.name`);
      await driver.click("dialog button", "Preview");
      await driver.giveToken(PLAYED_TOKEN);
      await driver.see("dialog [role=alert]", "Failed: it is not an active slave");
      server.plan = { steps: ["one", "two"], warnings: [] };
      server.outcome = { status: 502, done: ["one"], error: "the node does not answer" };
      await driver.click("dialog button", "Preview");
      await driver.click("dialog button", "Carry out");
      await driver.see("dialog [role=alert]", "Failed: the node does not answer");
      await driver.see("dialog .steps", "one");
    }));

  it("follows a change that takes longer than its answer, to its end", () =>
    withPage(async (driver, server) => {
      const what = `slave ${FOURTH}:1:0`;
      const event = (id: number, text: string): void =>
        server.tell({ id, atMs: Date.now(), kind: "change", node: null, text: `${what}: ${text}` });
      server.outcome = { status: 202, done: [], running: what };
      await driver.click(`[data-node="${FOURTH}"] button.name`);
      await driver.click("dialog button", "Preview");
      await driver.giveToken(PLAYED_TOKEN);
      await driver.click("dialog button", "Carry out");
      await driver.see("dialog [role=status]", "Under way");
      event(10, "waiting for the copy");
      await driver.see("dialog .steps", "waiting for the copy");
      event(11, "failed: the disk is full");
      await driver.see("dialog [role=alert]", "Failed: the disk is full");
      await driver.see("dialog .steps", "waiting for the copy");
    }));

  it("offers no changes where there is no token", () =>
    withPage(async (driver, server) => {
      server.show(playedCluster(healthy, { changesAllowed: false }));
      await driver.click(`[data-node="${SECOND}"] button.name`);
      await driver.see("dialog", "http-token");
      assertEquals(await driver.count("dialog form"), 0);
    }));

  it("shows and stores values byte by byte", () =>
    withPage(async (driver, server) => {
      const value = Uint8Array.from({ length: 256 }, (_, i) => i);
      const key = Uint8Array.of(0x6b, 0x00, 0xff);
      server.items.set(to64(key), { value64: to64(value), flags: 7, ttl: 60, version: 9 });
      await driver.view("data");
      await driver.ask(`sessionStorage.setItem("flare-token", "${PLAYED_TOKEN}")`);
      await driver.fill('input[name="key"]', "k\\x00\\xff");
      await driver.page.keyboard.press("Enter");
      await driver.see(".value pre", "000000f0  f0 f1 f2 f3 f4");
      // As it is, it comes back as it was.
      await driver.click("button", "Store");
      await driver.see(".item dl", "10");
      assertEquals(from64(server.items.get(to64(key))?.value64 ?? ""), value);
      await driver.fill('textarea[name="value"]', "00 0d 0a fe");
      await driver.click("button", "Store");
      await driver.see(".item dl", "11");
      const stored = server.items.get(to64(key));
      assertEquals([from64(stored?.value64 ?? ""), stored?.flags, stored?.ttl], [Uint8Array.of(0, 13, 10, 254), 7, 60]);
      // Somebody else is faster.
      if (stored !== undefined) server.items.set(to64(key), { ...stored, version: 20 });
      await driver.click("button", "Store");
      await driver.see(".item [role=alert]", "somebody changed it");
    }));

  it("moves the focus to a view when it shows it, not when somebody is in one of its fields", () =>
    withPage(async (driver) => {
      const staysInField = `new Promise((resolve) => {
        const seen = new MutationObserver(() => {
          const field = document.querySelector('input[name="key"]');
          if (field === null) return;
          seen.disconnect();
          field.focus();
          setTimeout(() => resolve(document.activeElement === field), 500);
        });
        seen.observe(document.body, { subtree: true, childList: true });
        document.querySelector('nav a[href="#/data"]').click();
      })`;
      assertEquals(await driver.ask(staysInField), true);
    }));

  it("leaves a field as it is while somebody fills it and the stream is lost and found again", () =>
    withPage(
      async (driver, server) => {
        const { keyboard } = driver.page;
        await driver.view("data");
        await driver.fill('input[name="key"]', "gre");
        server.refusal = 503;
        server.cut();
        await driver.see("#link", "Stale since");
        await keyboard.type("et");
        server.refusal = undefined;
        await driver.see("#link", "Live");
        await keyboard.type("ing");
        assertEquals(await driver.ask("document.activeElement.value"), "greeting");
        await keyboard.press("Enter");
        await driver.giveToken(PLAYED_TOKEN);
        await driver.see(".item", '"hello": "world"');
      },
      SCREEN,
      fill,
    ));

  it("shows slow requests and hot keys to who has the token", () =>
    withPage(
      async (driver, server) => {
        await driver.view("requests");
        await driver.see("main .note", "with the token");
        assertEquals(await driver.count("#slow"), 0);
        await driver.click("main button", "Show");
        await driver.fill("dialog input", "wrong");
        await driver.page.keyboard.press("Enter");
        await driver.see("dialog [role=alert]", "the token is wrong");
        await driver.fill("dialog input", PLAYED_TOKEN);
        await driver.page.keyboard.press("Enter");
        await driver.see("#slow .note", "100 ms or longer: 7 so far");
        await driver.see("#slow tbody tr:nth-child(1)", SECOND);
        await driver.see("#slow tbody tr:nth-child(2)", "get +2");
        await driver.see("#hot tbody tr", "greeting…");
        await driver.see("#hot tbody tr", "20%–31%");
        await driver.see("#hot [role=alert]", SECOND);
        // It is not asked again and again.
        server.slow = { ...server.slow, thresholdMs: 0, entries: [] };
        await driver.see("#slow .note", "slow-log-ms is 0");
        await driver.click("main button", "Forget");
        await driver.see("main .note", "with the token");
        server.show(playedCluster(healthy, { changesAllowed: false }));
        await driver.see("main .empty", "http-token");
      },
      SCREEN,
      fill,
    ));

  it("works by keyboard alone", () =>
    withPage(
      async (driver) => {
        const { keyboard } = driver.page;
        await driver.tabTo(".skip");
        await keyboard.press("Enter");
        await driver.until("document.activeElement?.id === 'main'", "the content has the focus");
        await driver.tabTo(`button.name`, SECOND);
        await keyboard.press("Enter");
        await driver.see("dialog h2", SECOND);
        await driver.tabTo("dialog select");
        await driver.tabTo("dialog button", "Preview");
        await keyboard.press("Escape");
        await driver.until("document.querySelector('dialog') === null", "the dialog is closed");
        assertEquals(await driver.ask("document.activeElement?.textContent"), SECOND);
        await driver.ask("document.querySelector('.skip').focus()");
        await driver.tabTo("nav a", "Events");
        await keyboard.press("Enter");
        await driver.see("h1", "Events");
        await driver.until("document.activeElement?.id === 'main'", "the view has the focus");
      },
      SCREEN,
      fill,
    ));

  it("changes its language and its colours, and keeps both", () =>
    withPage(async (driver, server) => {
      assertEquals(await driver.ask("document.documentElement.lang"), "en");
      await driver.page.select('select[name="language"]', "ja");
      await driver.see("h1", "クラスタ");
      assertEquals(await driver.ask("document.documentElement.lang"), "ja");
      const back = "getComputedStyle(document.body).backgroundColor";
      const light = await driver.ask(back);
      await driver.page.select('select[name="theme"]', "dark");
      await driver.until(`${back} !== ${JSON.stringify(light)}`, "the colours change");
      await driver.page.goto(server.url);
      await driver.see("h1", "クラスタ");
      assertEquals((await driver.ask(back)) === light, false);
    }));

  it("moves nothing for those who do not want that", () =>
    withPage(async (driver) => {
      const moves = "[...document.querySelectorAll('*')].map((each) => getComputedStyle(each).transitionDuration)";
      assertEquals(await driver.ask(`${moves}.some((each) => each !== "0s")`), false);
      await driver.page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "no-preference" }]);
      assertEquals(await driver.ask(`${moves}.some((each) => each !== "0s")`), true);
    }));

  for (const isDark of [false, true]) {
    for (const language of ["en", "ja"]) {
      it(`can be used by everybody, says axe-core: ${isDark ? "dark" : "light"}, ${language}`, () =>
        withPage(
          async (driver, server) => {
            const check = async (what: string): Promise<void> => {
              assertEquals([what, await driver.accessibility()], [what, []]);
            };
            await check("picture");
            server.show(playedCluster(failedOver));
            await driver.see("[data-state=down]");
            await check("picture with a dead node");
            await driver.click(".choice label:nth-of-type(2)");
            await driver.see("table");
            await check("table");
            await driver.click(`[data-node="${SECOND}"] button.name`);
            await driver.see("dialog form");
            await check("node");
            await driver.ask(`sessionStorage.setItem("flare-token", "${PLAYED_TOKEN}")`);
            server.plan = { steps: ["one"], warnings: ["two"] };
            await driver.click("dialog form button");
            await driver.see("dialog .warnings");
            await check("preview");
            await driver.page.keyboard.press("Escape");
            for (const view of ["charts", "events", "requests", "data"]) {
              await driver.view(view);
              await driver.see({ charts: "canvas", events: "table", requests: "#hot", data: "form" }[view] ?? "");
              if (view === "charts") await driver.click("summary");
              if (view === "data") {
                await driver.fill('input[name="key"]', "greeting");
                await driver.page.keyboard.press("Enter");
                await driver.see(".item pre");
              }
              await check(view);
            }
            await driver.ask("sessionStorage.clear()");
            await driver.click("form button");
            await driver.see("dialog input[type=password]");
            await check("token");
            await driver.page.keyboard.press("Escape");
            server.refusal = 503;
            server.cut();
            await driver.view("cluster");
            await driver.see("#stale");
            await check("stale");
          },
          { ...SCREEN, isDark, language },
          fill,
        ));
    }
  }

  it("fits a phone: nothing is wider than its window", () =>
    withPage(
      async (driver) => {
        await driver.ask(`sessionStorage.setItem("flare-token", "${PLAYED_TOKEN}")`);
        for (const view of ["cluster", "charts", "events", "requests", "data"]) {
          await driver.view(view);
          await driver.see("h1");
          assertEquals([view, await driver.isTooWide()], [view, false]);
        }
        await driver.view("cluster");
        await driver.click(".choice label:nth-of-type(2)");
        await driver.see("tbody tr");
        assertEquals(["table", await driver.isTooWide()], ["table", false]);
        await driver.click(`[data-node="${SECOND}"] button.name`);
        await driver.see("dialog form");
        assertEquals([await driver.isTooWide(), await driver.accessibility()], [false, []]);
      },
      PHONE,
      fill,
    ));
});
