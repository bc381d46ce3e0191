/**
 * Compares the node map in use with the index server's from time to time, and takes what was missed. A map is pushed once
 * by the original: if the push meets a connection that breaks, or a node that is just starting, nothing repeats it.
 */

import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import type { NodeMap } from "../../cluster/node_map.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { IndexLink } from "./index_link.ts";

/** A node that has got no map since it joined asks this often … */
const FIRST_CHECK_MS = 400;
/** … and any other one this often. */
const CHECK_MS = 4000;
/** A push may take so long: some nodes must hear of a map before others, so none takes it before its turn. */
const PUSH_MS = 1000;

/** The map in use, and how another one is taken. */
export interface MapHolder {
  nodeMap(): NodeMap;
  install(map: NodeMap): void;
}

/** What is wrong with the index server's answers, for as long as it is. */
type Trouble = "none" | "silent" | "older" | "unversioned";

export class MapCheck {
  readonly #runtime: Runtime;
  readonly #link: IndexLink;
  readonly #holder: MapHolder;
  #timer: Timer | undefined;
  #trouble: Trouble = "none";
  #stopped = false;

  /** Begins at once. */
  constructor(runtime: Runtime, link: IndexLink, holder: MapHolder) {
    this.#runtime = runtime;
    this.#link = link;
    this.#holder = holder;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped) return;
    const isNew = this.#version === 0 && this.#trouble === "none";
    this.#timer = this.#runtime.clock.setTimer(
      () => void this.#check().then(() => this.#schedule()),
      isNew ? FIRST_CHECK_MS : CHECK_MS,
    );
  }

  async #check(): Promise<void> {
    const own = this.#version;
    try {
      const version = await this.#link.mapVersion();
      if (version === undefined)
        this.#report("unversioned", "the index server tells no version of its node map: a lost push goes unnoticed");
      else if (version < own)
        this.#report("older", `the index server's node map has version ${version}, ours ${own}: it has lost changes`);
      else this.#report("none", "the index server answers, and its node map is as new as ours");
      if (version === undefined || version <= own) return;
      await sleep(this.#runtime.clock, PUSH_MS);
      if (this.#stopped || version <= this.#version) return;
      const map = await this.#link.fetchMap();
      if (this.#stopped || map === undefined || map.version <= this.#version) return;
      this.#runtime.log.write("notice", `node map ${map.version} did not arrive, ours is ${this.#version}: taken now`);
      this.#holder.install(map);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#report("silent", `node map cannot be compared with the index server's: ${error.message}`);
    }
  }

  get #version(): Uint64 {
    return this.#holder.nodeMap().version;
  }

  /** Says it when it begins, and when it is over. */
  #report(trouble: Trouble, text: string): void {
    if (trouble === this.#trouble || this.#stopped) return;
    this.#trouble = trouble;
    this.#runtime.log.write(trouble === "none" ? "notice" : "warning", text);
  }
}
