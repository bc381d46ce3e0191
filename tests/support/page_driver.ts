/**
 * The page as somebody uses it: what is to be seen, what can be clicked, and what axe-core says of it. Everything waits,
 * because a machine may be slow; what runs in the page is text, so that it needs no types of browsers here.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Page } from "puppeteer-core";
import { repositoryRoot } from "./repository.ts";

const WAIT_MS_MAX = 30_000;
const POLL_MS = 50;
const AXE = readFileSync(`${repositoryRoot}node_modules/axe-core/axe.min.js`, "utf8");

/** What axe found: the rule, and where. */
export interface Finding {
  readonly id: string;
  readonly help: string;
  readonly places: readonly string[];
}

export class PageDriver {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Evaluates an expression in the page. */
  async ask<T>(expression: string): Promise<T> {
    return (await this.page.evaluate(expression)) as T;
  }

  /** Waits until an expression is true in the page. @throws Error with the text of the page when that takes too long */
  async until(expression: string, what: string, msMax = WAIT_MS_MAX): Promise<void> {
    const deadlineMs = performance.now() + msMax;
    while (!(await this.ask<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > deadlineMs) {
        throw new Error(`${what}: timed out after ${msMax} ms; the page says:\n${await this.ask("document.body.innerText")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Waits until something is there, and shows this text, if one is given. */
  async see(selector: string, text = "", msMax?: number): Promise<void> {
    const found = `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
    await this.until(
      `${found}.some((each) => each.textContent.includes(${JSON.stringify(text)}))`,
      `"${selector}" with "${text}"`,
      msMax,
    );
  }

  /** The text of the first of these; undefined if there is none. */
  text(selector: string): Promise<string | undefined> {
    return this.ask(`document.querySelector(${JSON.stringify(selector)})?.textContent`);
  }

  count(selector: string): Promise<number> {
    return this.ask(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  }

  /** Clicks the first of these whose text contains this one. */
  async click(selector: string, text = ""): Promise<void> {
    await this.see(selector, text);
    const handles = await this.page.$$(selector);
    for (const handle of handles) {
      const content = (await (await handle.getProperty("textContent")).jsonValue()) as string;
      if (!content.includes(text)) continue;
      await handle.scrollIntoView();
      await handle.click();
      return;
    }
    throw new Error(`"${selector}" with "${text}" is gone`);
  }

  /** Replaces what is in a field. */
  async fill(selector: string, text: string): Promise<void> {
    await this.see(selector);
    await this.page.focus(selector);
    await this.page.keyboard.down("Control");
    await this.page.keyboard.press("a");
    await this.page.keyboard.up("Control");
    await this.page.keyboard.press("Delete");
    await this.page.keyboard.type(text);
  }

  /** Opens a view by its link. */
  async view(name: string): Promise<void> {
    await this.click(`nav a[href="#/${name}"]`);
    await this.see(`nav a[href="#/${name}"][aria-current="page"]`);
  }

  /** Presses Tab until the focus is on something like this. @throws Error if it never gets there */
  async tabTo(selector: string, text = ""): Promise<void> {
    for (let i = 0; i < 200; i++) {
      await this.page.keyboard.press("Tab");
      const isThere = `document.activeElement?.matches(${JSON.stringify(selector)}) &&
        document.activeElement.textContent.includes(${JSON.stringify(text)})`;
      if (await this.ask<boolean>(isThere)) return;
    }
    throw new Error(`the focus never gets to "${selector}" with "${text}"`);
  }

  /** Answers the question for the token. */
  async giveToken(token: string): Promise<void> {
    await this.fill('dialog input[name="token"]', token);
    await this.page.keyboard.press("Enter");
  }

  /** All that axe-core finds wrong with what is shown now. */
  async accessibility(): Promise<Finding[]> {
    if (!(await this.ask<boolean>("'axe' in window"))) await this.page.evaluate(AXE);
    return this.ask(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, help, nodes }) => ({
        id,
        help,
        places: nodes.map(({ html, failureSummary }) => html + failureSummary),
      })))`);
  }

  /** Makes a picture for docs/page.md, if `UPDATE_DOCUMENTS=1` asks for that. */
  async document(name: string): Promise<void> {
    if (process.env.UPDATE_DOCUMENTS !== "1") return;
    const place = `${repositoryRoot}docs/page`;
    mkdirSync(place, { recursive: true });
    writeFileSync(`${place}/${name}.webp`, await this.page.screenshot({ type: "webp", quality: 70 }));
  }

  /** Whether the page is wider than its window. */
  isTooWide(): Promise<boolean> {
    return this.ask("document.documentElement.scrollWidth > document.documentElement.clientWidth");
  }
}
