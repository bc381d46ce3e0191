/**
 * A newcomer with the README and a browser: the commands that stand there start a cluster of two partitions with a slave
 * each, the address that stands there shows it, it survives a `kill -9`, and the page that was open all the time sees it come
 * back.
 */

import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Client } from "../../mod.ts";
import { openPage, SCREEN, startBrowser, withoutBrowser } from "../support/browser.ts";
import { clientRuntime, HOST } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { PageDriver } from "../support/page_driver.ts";
import { readRepositoryFile } from "../support/repository.ts";
import { type SpawnedProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const readme = readRepositoryFile("README.md");
const runtime = clientRuntime();

/** What stands in the README, in this form. */
function inReadme(form: RegExp): string {
  const [, found] = form.exec(readme) ?? [];
  assert(found !== undefined, `the README has nothing like ${form}`);
  return found;
}

describe("a newcomer", { skip: withoutBrowser, timeout: 240_000 }, () => {
  it("gets a cluster, kills it, starts it again, and sees all of that on the page", () =>
    withTemporaryDirectory(async (directory) => {
      // `npm start` runs `flare up` with these arguments; only the ports are those of the test.
      const args = inReadme(/`npm start -- (--partitions 2 --slaves 1 --data-dir \w+)`/).split(" ");
      const again = inReadme(/`npm start -- (--data-dir \w+)` is\s+enough/).split(" ");
      const path = new URL(inReadme(/(http:\/\/127\.0\.0\.1:13200\/)/)).pathname;
      assertEquals(args.slice(-2), again);
      const place = ["--data-dir", join(directory, again[1] as string)];
      const port = await freePorts(10);
      const ports = ["--port", String(port), "--index-port", String(port + 4), "--http-port", String(port + 5)];
      const problems: string[] = [];
      let cluster: SpawnedProgram | undefined;
      const start = async (given: readonly string[]): Promise<void> => {
        cluster = startProgram("flare", ["up", ...given, ...place]);
        await cluster.waitFor("\nready");
      };
      const browser = await startBrowser();
      try {
        await start([...args.slice(0, -2), ...ports]);
        const driver = new PageDriver(await openPage(browser, `http://${HOST}:${port + 5}${path}`, SCREEN, problems));
        await driver.see("#link", "Live");
        await driver.until("document.querySelectorAll('.health-ok').length === 2", "two complete partitions");
        assertEquals(await driver.count(".column [data-state=active]"), 4);
        {
          using client = new Client({ runtime, host: HOST, port });
          await client.set("greeting", "hello");
        }
        cluster?.kill("SIGKILL");
        await cluster?.finished;
        await driver.see("#link", "Stale since");
        await start([]);
        await driver.see("#link", "Live");
        await driver.until("document.querySelectorAll('.health-ok').length === 2", "two complete partitions");
        using client = new Client({ runtime, host: HOST, port });
        assertEquals(new TextDecoder().decode((await client.get("greeting"))?.value), "hello");
        assertEquals(problems, []);
        cluster?.kill("SIGTERM");
        assertEquals((await cluster?.finished)?.status, 0);
        cluster = undefined;
      } finally {
        await browser.close();
        cluster?.kill("SIGKILL");
      }
    }));
});
