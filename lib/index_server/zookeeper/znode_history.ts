/**
 * The history of the node map in ZooKeeper: the records of the last stores in a ring of znodes, each set in the transaction of
 * its store.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { decodeMapRecord, encodeMapRecord, HISTORY_MAX, type MapRecord } from "../../cluster/map_record.ts";
import { ANY_VERSION, create, exists, getChildren, getData, type Permission, type Request, setData } from "./requests.ts";
import type { ZooKeeperClient } from "./zookeeper_client.ts";

export class ZnodeHistory {
  readonly #client: ZooKeeperClient;
  readonly #directory: string;
  readonly #permission: Permission;

  constructor(client: ZooKeeperClient, directory: string, permission: Permission) {
    this.#client = client;
    this.#directory = directory;
    this.#permission = permission;
  }

  /** What a transaction has to change for the record of the store with this number; the directory is there. */
  async changesFor(record: MapRecord | undefined, number: number): Promise<Request<unknown>[]> {
    if (record === undefined) return [];
    const path = `${this.#directory}/${number % HISTORY_MAX}`;
    const content = fromLatin1(encodeMapRecord(record));
    const isThere = (await this.#client.ask(exists(path))).ok;
    return [isThere ? setData(path, content, ANY_VERSION) : create(path, content, this.#permission)];
  }

  /** The records, the oldest first. */
  async read(): Promise<MapRecord[]> {
    const children = await this.#client.ask(getChildren(this.#directory));
    const names = children.ok ? children.value : [];
    const found = await Promise.all(names.map((name) => this.#client.ask(getData(`${this.#directory}/${name}`))));
    return found
      .flatMap((each) => (each.ok ? [each.value] : []))
      .sort((one, other) => Number(one.stat.modified - other.stat.modified))
      .flatMap(({ data }) => decodeMapRecord(latin1(data)) ?? []);
  }
}
