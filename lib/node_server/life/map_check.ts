/**
 * Periodically compares our node map with the index server's, and fetches a missed one. The original pushes a map only once: if
 * the connection breaks, or the node is just starting, the push is lost.
 */

import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import type { NodeMap } from "../../cluster/node_map.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { IndexLink } from "./index_link.ts";

/** The interval for a node that has received no map since it joined … */
const FIRST_CHECK_MS = 400;
/** … and for any other node. */
const CHECK_MS = 4000;
/** How long a push may take: some nodes must get a map before others, so none fetches it before its turn. */
const PUSH_MS = 1000;
/** How long a request waits for a map that another node has already. */
const REACH_MS = 2000;

/** The current map, and how to install another one. */
export interface MapHolder {
  nodeMap(): NodeMap;
  install(map: NodeMap): void;
}

/** The current problem with the index server's answers. */
type Trouble = "none" | "silent" | "older" | "unversioned";

export class MapCheck {
  readonly #runtime: Runtime;
  readonly #link: IndexLink;
  readonly #holder: MapHolder;
  #timer: Timer | undefined;
  #trouble: Trouble = "none";
  #stopped = false;
  #checking: Promise<void> | undefined;
  /** Called when a map is installed. */
  readonly #waiting = new Set<() => void>();

  /** Starts at once. */
  constructor(runtime: Runtime, link: IndexLink, holder: MapHolder) {
    this.#runtime = runtime;
    this.#link = link;
    this.#holder = holder;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.mapChanged();
  }

  /** Another node has a map of this version: resolves when we have one at least as new, or cannot have it for now. */
  async reach(version: Uint64): Promise<void> {
    if (this.#version >= version || this.#stopped) return;
    void this.#checkOnce();
    const { clock } = this.#runtime;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#version < version && !this.#stopped) return;
        end();
      };
      const end = (): void => {
        clock.clearTimer(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = clock.setTimer(end, REACH_MS);
      this.#waiting.add(look);
    });
  }

  /** Another map is in use now. */
  mapChanged(): void {
    for (const look of [...this.#waiting]) look();
  }

  #checkOnce(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  #schedule(): void {
    if (this.#stopped) return;
    const isNew = this.#version === 0 && this.#trouble === "none";
    this.#timer = this.#runtime.clock.setTimer(
      () => void this.#checkOnce().then(() => this.#schedule()),
      isNew ? FIRST_CHECK_MS : CHECK_MS,
    );
  }

  async #check(): Promise<void> {
    const own = this.#version;
    try {
      const version = await this.#link.mapVersion(own);
      if (version === undefined)
        this.#report("unversioned", "the index server does not report the version of its node map: a lost push goes unnoticed");
      else if (version < own)
        this.#report("older", `the index server's node map has version ${version}, ours ${own}: it has lost changes`);
      else this.#report("none", "the index server answers, and its node map is as new as ours");
      if (version === undefined || version <= own) return;
      await sleep(this.#runtime.clock, PUSH_MS);
      if (this.#stopped || version <= this.#version) return;
      const map = await this.#link.fetchMap(this.#version);
      if (this.#stopped || map === undefined || map.version <= this.#version) return;
      this.#runtime.log.write("notice", `node map ${map.version} was not received, ours is ${this.#version}: fetched it`);
      this.#holder.install(map);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#report("silent", `node map cannot be compared with the index server's: ${error.message}`);
    }
  }

  get #version(): Uint64 {
    return this.#holder.nodeMap().version;
  }

  /** Logs the start and the end of a problem. */
  #report(trouble: Trouble, text: string): void {
    if (trouble === this.#trouble || this.#stopped) return;
    this.#trouble = trouble;
    this.#runtime.log.write(trouble === "none" ? "notice" : "warning", text);
  }
}
