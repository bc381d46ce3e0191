/**
 * The page in a browser, against real daemons: a node dies and comes back, a slave is promoted, a node becomes a slave and its
 * copy is watched, a key is edited; on a screen, on a phone and by keyboard alone. `UPDATE_DOCUMENTS=1` makes the
 * pictures of docs/page.md on the way, the charts under a load of some minutes; the one in Japanese needs a font for that
 * (fonts-noto-cjk).
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Browser } from "puppeteer-core";
import { type Change, Client, ClusterAdmin, masterChange, NodeState, slaveChange } from "../../mod.ts";
import { openPage, PHONE, SCREEN, startBrowser, type Window, withoutBrowser } from "../support/browser.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { PageDriver } from "../support/page_driver.ts";
import { INDEX, ProcessCluster } from "../support/process_cluster.ts";
import { startProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

/** How long the page may take from the moment the index server knows. */
const SEEN_MS_MAX = 3000;
const TOKEN = "a-token-for-the-test-of-the-page";
const NODES = 5;
const ITEMS = 2000;
/** Enough of one key to be seen in the samples. */
const HOT_REQUESTS = 3000;
/** KiB/s of a copy, so slow that there is something to watch. */
const COPY_RATE = "150";
const LOADS = [
  "--connections 1 --duration 40 --keys 5000",
  "--connections 4 --duration 50 --keys 5000 --get-percent 50 --value-size 1000",
  "--connections 2 --duration 40 --keys 20000 --get-percent 98",
];

const runtime = clientRuntime();
const problems: string[] = [];
let directory: string;
let cluster: ProcessCluster;
let admin: ClusterAdmin;
let browser: Browser;
let httpPort: number;

const node = (number: number): string => `[data-node="${cluster.key(number)}"]`;

async function startNode(number: number): Promise<void> {
  await cluster.start(number, [
    ...["--index-servers", cluster.key(INDEX), "--memory-limit", "16", "--fsync", "os"],
    ...["--reconstruction-bwlimit", COPY_RATE, "--http-port", String(httpPort + number)],
  ]);
}

async function carryOut(change: Change): Promise<void> {
  for await (const event of admin.carryOut(change, { pollMs: 50 })) assert(event.kind !== "retry");
}

async function withPage(work: (driver: PageDriver) => Promise<void>, window: Window = SCREEN, number = INDEX): Promise<void> {
  const page = await openPage(browser, `http://${HOST}:${httpPort + number}/`, window, problems);
  try {
    const driver = new PageDriver(page);
    await driver.see("[data-node]");
    await driver.see("#link", window.language === "ja" ? "ライブ" : "Live");
    await work(driver);
    assertEquals(problems.splice(0), []);
  } finally {
    await page.browserContext().close();
  }
}

/** When something first holds, by this process's clock. */
async function momentOf(holds: () => Promise<boolean>, what: string): Promise<number> {
  await waitUntil(holds, what);
  return performance.now();
}

/** For the picture of the charts: figures that rise and fall. */
async function putLoad(): Promise<void> {
  for (const load of LOADS) {
    const bench = startProgram("flare", ["bench", "--index-server", cluster.key(INDEX), "--warm-up", "0", ...load.split(" ")]);
    const { status, stderr } = await bench.finished;
    assertEquals(status, 0, stderr);
  }
}

describe("the page of a real cluster", { skip: withoutBrowser, timeout: 300_000 }, () => {
  before(async () => {
    directory = makeTemporaryDirectory();
    cluster = await ProcessCluster.prepare(directory, 1 + NODES);
    httpPort = await freePorts(1 + NODES);
    const tokenFile = join(directory, "token");
    writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    await cluster.start(INDEX, [
      ...["--monitor-interval", "1", "--monitor-threshold", "2"],
      ...["--http-port", String(httpPort), "--http-token-file", tokenFile],
    ]);
    for (let number = 1; number <= NODES; number++) await startNode(number);
    admin = new ClusterAdmin({ runtime, indexServer: cluster.address(INDEX) });
    const place = (number: number, partition: number) => [{ node: cluster.key(number), balance: 1, partition }];
    await carryOut(masterChange(place(1, 0), { activate: true }));
    await carryOut(slaveChange(place(2, 0)));
    await carryOut(masterChange(place(3, 1), { activate: true }));
    await carryOut(slaveChange(place(4, 1)));
    using client = new Client({ runtime, ...cluster.address(5) });
    const value = "v".repeat(1000);
    for (let i = 0; i < ITEMS; i++) await client.set(`item-${i}`, value);
    browser = await startBrowser();
  });

  after(async () => {
    await browser?.close();
    admin?.close();
    await cluster?.clear();
    removeTemporaryDirectory(directory);
  });

  it("shows the same cluster from every server", async () => {
    for (const number of [INDEX, 1, 2, 5]) {
      await withPage(
        async (driver) => {
          await driver.see(`#partition-0`);
          await driver.see(`.column ${node(1)}[data-role=master][data-state=active]`);
          await driver.see(`.column ${node(4)}[data-role=slave][data-state=active]`);
          await driver.see(`.aside ${node(5)}[data-role=proxy]`);
          assertEquals([await driver.count(".column"), await driver.count("[data-node]")], [2, NODES]);
          assertStringIncludes((await driver.text("footer")) ?? "", cluster.key(number));
          await driver.until(`/Items[1-9]/.test(document.querySelector('${node(1)}').textContent)`, "the number of items");
        },
        SCREEN,
        number,
      );
    }
  });

  it("shows that a node has died, as soon as the index server knows, and who is the master instead", () =>
    withPage(async (driver) => {
      await cluster.end(1, "SIGKILL");
      const isDown = async (): Promise<boolean> => {
        const map = await admin.nodeMap();
        return map.nodes.find(({ key }) => key === cluster.key(1))?.state === NodeState.down;
      };
      const isSeen = (): Promise<boolean> => driver.ask(`document.querySelector('${node(1)}').dataset.state === "down"`);
      const [knownMs, seenMs] = await Promise.all([
        momentOf(isDown, "the index server knows"),
        momentOf(isSeen, "the page knows"),
      ]);
      assert(seenMs - knownMs < SEEN_MS_MAX, `seen ${seenMs - knownMs} ms after it was known`);
      await driver.see(`.column ${node(1)}`, "was master");
      await driver.see("#announcements", `${cluster.key(1)} is down`);
      await driver.see(`${node(2)}[data-role=master][data-state=active]`);
      await driver.document("node_down");
      await driver.view("events");
      await driver.see("tbody tr", cluster.key(1));
    }));

  it("shows that it is back", () =>
    withPage(async (driver) => {
      await driver.see(`${node(1)}[data-state=down]`);
      await startNode(1);
      // A node that was away waits for its next role, as with the original.
      await driver.see(`.aside ${node(1)}[data-role=proxy][data-state=active]`);
      await driver.see(".column:first-child .health", "One copy only");
    }));

  it("promotes a slave, after a preview", () =>
    withPage(async (driver) => {
      await driver.click(`${node(4)} button.name`);
      await driver.click("dialog button", "Preview");
      await driver.giveToken(TOKEN);
      await driver.see("dialog .steps li");
      assertEquals(await driver.ask(`document.querySelector('${node(4)}').dataset.role`), "slave");
      await driver.document("preview");
      await driver.click("dialog button", "Carry out");
      await driver.see("dialog [role=status]", "Done.");
      await driver.page.keyboard.press("Escape");
      await driver.see(`${node(4)}[data-role=master][data-state=active]`);
      await driver.see(`${node(3)}[data-role=slave][data-state=active]`);
      await driver.see("#announcements", `${cluster.key(4)} is now the master of partition 1`);
    }));

  it("is in Japanese for those who prefer it, as a picture and as a table", () =>
    withPage(
      async (driver) => {
        await driver.see("h1", "クラスタ");
        await driver.see(`${node(2)}[data-role=master]`, "マスター");
        await driver.until(`/アイテム数[1-9]/.test(document.querySelector('${node(2)}').textContent)`, "the number of items");
        await driver.document("japanese");
        await driver.click(".choice label:nth-of-type(2)");
        await driver.see("tbody tr", "マスター");
        assertEquals(await driver.isTooWide(), false);
      },
      { ...SCREEN, language: "ja" },
    ));

  it("makes a node a slave on a phone, and shows its copy until it is complete", () =>
    withPage(
      async (driver) => {
        await driver.click(`${node(5)} button.name`);
        await driver.see("dialog form");
        assertEquals(await driver.isTooWide(), false);
        await driver.page.select("dialog select", "slave");
        await driver.fill('dialog input[name="partition"]', "1");
        await driver.click("dialog button", "Preview");
        await driver.giveToken(TOKEN);
        await driver.click("dialog button", "Carry out");
        await driver.page.keyboard.press("Escape");
        const card = `.column ${node(5)}`;
        await driver.until(`document.querySelector('${card} progress')?.position > 0`, "a part of the copy");
        assertMatch((await driver.text(`${card} .copy`)) ?? "", /[\d,]+ of [\d,]+/);
        await driver.ask(`document.querySelector('${card}').scrollIntoView({ block: "center" })`);
        await driver.document("phone");
        await driver.see(`${card}[data-state=active]`);
        await driver.until(`document.querySelector('${card} progress') === null`, "the end of the copy");
        assertEquals(await driver.isTooWide(), false);
      },
      { ...PHONE, isDark: true },
    ));

  it("edits a key by keyboard alone", () =>
    withPage(async (driver) => {
      const { keyboard } = driver.page;
      using client = new Client({ runtime, ...cluster.address(2) });
      await client.set("greeting", '{"hello":"world"}');
      await driver.tabTo("nav a", "Data");
      await keyboard.press("Enter");
      // The new view takes the focus once it is there; a key pressed before would be lost.
      await driver.until("document.activeElement?.id === 'main'", "the view has the focus");
      await driver.tabTo('input[name="key"]');
      await keyboard.type("greeting");
      await keyboard.press("Enter");
      await driver.see("dialog input[type=password]");
      await keyboard.type(TOKEN);
      await keyboard.press("Enter");
      await driver.see(".item pre", '"hello": "world"');
      await driver.document("data");
      await driver.tabTo('textarea[name="value"]');
      await keyboard.down("Control");
      await keyboard.press("a");
      await keyboard.up("Control");
      await keyboard.type("こんにちは");
      await driver.tabTo("button", "Store");
      await keyboard.press("Enter");
      await driver.see(".item pre", "こんにちは");
      assertEquals(new TextDecoder().decode((await client.get("greeting"))?.value), "こんにちは");
      await driver.tabTo('input[name="prefix"]');
      await keyboard.type("item-19");
      await keyboard.press("Enter");
      await driver.see(".table", "item-1900");
      assertEquals(await driver.count(".table tbody tr"), 100);
      await driver.tabTo("button", "More");
      await keyboard.press("Enter");
      // item-19, item-190 … item-199, item-1900 … item-1999
      await driver.until("document.querySelectorAll('.table tbody tr').length === 111", "all keys");
      driver.page.on("dialog", (question) => void question.accept());
      await driver.tabTo("input[name=key]");
      await keyboard.press("Enter");
      await driver.tabTo("button", "Delete");
      await keyboard.press("Enter");
      await driver.see(".item", "This key has no item");
      assertEquals(await client.get("greeting"), undefined);
    }));

  it("shows which keys are asked for most, of all nodes, to who has the token", () =>
    withPage(async (driver) => {
      using client = new Client({ runtime, ...cluster.address(1) });
      // One request in a hundred is looked at.
      for (let i = 0; i < HOT_REQUESTS; i++) await client.get("hottest");
      await driver.view("requests");
      await driver.click("main button", "Show");
      await driver.fill("dialog input", TOKEN);
      await driver.page.keyboard.press("Enter");
      await driver.see("#slow .note", "100 ms or longer");
      await driver.see("#hot tbody tr:first-child", "hottest");
      assertEquals(await driver.accessibility(), []);
    }));

  it("shows the last hour", () =>
    withPage(
      async (driver) => {
        if (process.env.UPDATE_DOCUMENTS === "1") await putLoad();
        await driver.view("charts");
        await driver.see("canvas");
        await driver.see(".plot");
        await driver.document("charts");
        const summary = await driver.ask<string>("document.querySelector('.plot').getAttribute('aria-label')");
        assertMatch(summary, /^Requests per second, the last hour\. get [\d.,]+, set [\d.,]+\.$/);
        await driver.click("summary");
        await driver.see(".chart tbody tr");
        assertEquals(await driver.accessibility(), []);
      },
      { ...SCREEN, isDark: true },
    ));
});
