/** Files that keep nothing: the change log of a storage without a data directory, which exists only for those who follow it. */

import type { AppendFile, FileSystem } from "../../runtime/runtime.ts";

const nothing = (): Promise<undefined> => Promise.resolve(undefined);

const file: AppendFile = Object.freeze({
  size: 0,
  append: () => undefined,
  sync: nothing,
  truncate: () => undefined,
  close: () => undefined,
});

export const volatileFiles: FileSystem = Object.freeze({
  openAppend: () => file,
  read: nothing,
  readRange: nothing,
  size: nothing,
  replace: nothing,
  create: () => Promise.resolve(true),
  permissions: nothing,
  list: () => Promise.resolve([]),
  remove: nothing,
  makeDirectory: nothing,
  syncDirectory: nothing,
  lock: () => Promise.resolve({ release: nothing }),
  join: (...parts: string[]) => parts.join("/"),
});
