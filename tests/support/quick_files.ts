/** The real file system without syncs: for tests that open thousands of directories and need no power cuts. */

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { NodeFileSystem } from "../../lib/runtime/files/node_files.ts";
import type { AppendFile } from "../../lib/runtime/runtime.ts";

export class QuickFiles extends NodeFileSystem {
  override openAppend(path: string): AppendFile {
    const file = super.openAppend(path);
    file.sync = () => Promise.resolve();
    return file;
  }

  override async replace(path: string, bytes: Uint8Array): Promise<void> {
    try {
      renameSync(path, `${path}.previous`);
    } catch {
      // The first version has no predecessor.
    }
    writeFileSync(`${path}.tmp`, bytes);
    renameSync(`${path}.tmp`, path);
    rmSync(`${path}.tmp`, { force: true });
  }

  override async syncDirectory(): Promise<void> {}
}
