/**
 * A browser without a window, for tests of the page: Debian's Chromium, driven by puppeteer-core. Whoever uses it skips where
 * there is none.
 */

import { existsSync } from "node:fs";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { skipUnless } from "./skip.ts";

/** Where Chromium is on Debian, and elsewhere. */
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PROGRAM = PROGRAMS.find((path) => existsSync(path));
const START_MS_MAX = 60_000;

export const withoutBrowser = skipUnless(PROGRAM !== undefined, "Chromium");

/** A window, as large as a screen or as a phone. */
export interface Window {
  readonly width: number;
  readonly height: number;
  readonly language?: string;
  readonly isDark?: boolean;
  readonly isPhone?: boolean;
}

export const SCREEN: Window = { width: 1280, height: 860 };
export const PHONE: Window = { width: 390, height: 844, isPhone: true };

/** Starts Chromium. It may run as root: it opens nothing but the pages of the test. */
export function startBrowser(): Promise<Browser> {
  return puppeteer.launch({
    executablePath: PROGRAM ?? "",
    headless: true,
    timeout: START_MS_MAX,
    protocolTimeout: START_MS_MAX,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb"],
  });
}

/** Opens an address in a new session: nothing is kept from other windows. Errors of the page's script go to `problems`. */
export async function openPage(browser: Browser, url: string, window: Window, problems: string[]): Promise<Page> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const { width, height, language = "en", isDark = false, isPhone = false } = window;
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // What the network says is for the page to show.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  await page.setViewport({ width, height, isMobile: isPhone, hasTouch: isPhone, deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: isDark ? "dark" : "light" },
    // Colours on their way to others would be judged as they are at some moment.
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  // As text: what transforms the tests for Node puts helpers into functions, which the page does not have.
  await page.evaluateOnNewDocument(`Object.defineProperty(navigator, "languages", { value: ["${language}"] })`);
  await page.goto(url, { waitUntil: "load" });
  return page;
}
