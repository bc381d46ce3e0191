/**
 * The history of a data directory in its cluster: the file `OPENINGS` has a random number for each opening of the data since
 * the last join. It is written before the node reports it, and shortened once it has joined. An older copy of the directory
 * does not contain the opening of the newest join, which reveals it.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { type DataIdentity, encodeDataIdentity, OPENINGS_MAX, parseDataIdentity } from "../../cluster/data_identity.ts";
import type { Random, Runtime } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";

export class DataHistory {
  readonly #runtime: Runtime;
  /** Absent: the data is not persistent. */
  readonly #path: string | undefined;
  #identity: DataIdentity;

  private constructor(runtime: Runtime, path: string | undefined, identity: DataIdentity) {
    this.#runtime = runtime;
    this.#path = path;
    this.#identity = identity;
  }

  /** Records one more opening. @throws FlareError CORRUPT | DISK_FULL | IO_ERROR */
  static async open(runtime: Runtime, storage: Storage, dataDir: string): Promise<DataHistory> {
    const { id, incarnation } = storage.identity;
    const opening = newOpening(runtime.random);
    if (!storage.manifest.durable) {
      return new DataHistory(runtime, undefined, { id, kind: "passing", openings: [opening] });
    }
    const path = runtime.files.join(dataDir, "OPENINGS");
    const written = await readHistory(runtime, path);
    // Openings in a file copied from another directory say nothing about this data.
    const own = written?.id === id ? written : undefined;
    const kind = own?.kind ?? (incarnation === 1 ? "new" : "kept");
    const [joined, ...later] = own?.openings ?? [];
    const openings = [...(joined === undefined ? [] : [joined]), ...later.slice(2 - OPENINGS_MAX), opening];
    const history = new DataHistory(runtime, path, { id, kind, openings });
    await history.#write();
    return history;
  }

  /** A number of the random one of this opening. */
  get seed(): number {
    return Number.parseInt(this.#identity.openings.at(-1)?.slice(-8) ?? "", 16);
  }

  /** The identity to report. */
  get identity(): DataIdentity {
    return this.#identity;
  }

  /** The node has joined with this data: earlier openings are obsolete. */
  async noteJoined(): Promise<void> {
    this.#identity = { ...this.#identity, kind: "kept", openings: this.#identity.openings.slice(-1) };
    try {
      await this.#write();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      // The longer list proves as much.
      this.#runtime.log.write("warning", `"${this.#path}" cannot be shortened: ${error.message}`);
    }
  }

  async #write(): Promise<void> {
    if (this.#path === undefined) return;
    await this.#runtime.files.replace(this.#path, fromLatin1(`${encodeDataIdentity(this.#identity)}\n`));
  }
}

async function readHistory(runtime: Runtime, path: string): Promise<DataIdentity | undefined> {
  const bytes = await runtime.files.read(path);
  if (bytes === undefined) return undefined;
  const text = latin1(bytes);
  const identity = text.endsWith("\n") ? parseDataIdentity(text.slice(0, -1).split(" ")) : undefined;
  if (identity !== undefined) return identity;
  throw new FlareError(
    "CORRUPT",
    `"${path}" is damaged; without it the data is intact, but not proven to be the newest: remove it, and if this node ` +
      'is a master without a slave, accept it with "flare activate --unsafe"',
  );
}

function newOpening(random: Random): string {
  return [random.uint32(), random.uint32()].map((word) => word.toString(16).padStart(8, "0")).join("");
}
