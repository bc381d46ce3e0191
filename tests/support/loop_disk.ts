/**
 * A small file system of its own for one server, an ext4 in a file: it can be full, stall, fail with EIO, and lose power, which
 * loses what was not synced. It takes Linux, root, loop devices and Perl, which makes the one system call that has no program.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemCommand } from "./system_command.ts";

/** EXT4_IOC_SHUTDOWN, and how: everything is written first, or nothing is. */
const SHUTDOWN = { afterSync: 0, withoutSync: 2 } as const;
const SHUTDOWN_PROGRAM = [
  'sysopen(my $disk, $ARGV[0], 0) or die "open: $!";',
  'my $how = pack("L", $ARGV[1]);',
  'ioctl($disk, 0x8004587D, $how) or die "ioctl: $!";',
].join(" ");
const BALLAST = "ballast";
const UNMOUNT_ATTEMPTS = 50;
const UNMOUNT_PAUSE_MS = 100;

export class LoopDisk {
  /** Where it is mounted. */
  readonly directory: string;
  readonly #image: string;
  #frozen = false;

  private constructor(directory: string) {
    this.directory = directory;
    this.#image = `${directory}.img`;
  }

  /** Makes a disk of some MiB at a directory that does not exist yet. */
  static async create(directory: string, mebibytes: number): Promise<LoopDisk> {
    const disk = new LoopDisk(directory);
    mkdirSync(directory);
    await systemCommand("truncate", ["-s", `${mebibytes}M`, disk.#image]);
    await systemCommand("mkfs.ext4", ["-q", "-F", "-m", "0", disk.#image]);
    await disk.#mount();
    return disk;
  }

  /** Takes all the space that is left. */
  async fill(): Promise<void> {
    const ballast = `of=${join(this.directory, BALLAST)}`;
    // It ends with the error that is wanted.
    await systemCommand("dd", ["if=/dev/zero", "bs=16k", ballast]).catch(() => undefined);
  }

  /** Gives that space back. */
  async empty(): Promise<void> {
    await systemCommand("rm", ["-f", join(this.directory, BALLAST)]);
  }

  /** Every write and sync waits until `thaw`; whoever waits cannot even be killed. */
  async freeze(): Promise<void> {
    this.#frozen = true;
    await systemCommand("fsfreeze", ["-f", this.directory]);
  }

  async thaw(): Promise<void> {
    if (!this.#frozen) return;
    this.#frozen = false;
    await systemCommand("fsfreeze", ["-u", this.directory]);
  }

  /** Every access fails with EIO until `restore`; everything written so far is there afterwards. */
  fail(): Promise<void> {
    return this.#shutDown("afterSync");
  }

  /** As when the power fails: what was not synced is gone. Every access fails until `restore`. */
  cutPower(): Promise<void> {
    return this.#shutDown("withoutSync");
  }

  /** Mounts it again, by which the file system recovers; nothing may use it. */
  async restore(): Promise<void> {
    await this.#unmount();
    await this.#mount();
  }

  /** Unmounts it for good. */
  async clear(): Promise<void> {
    await this.thaw();
    await this.#unmount();
  }

  #shutDown(how: keyof typeof SHUTDOWN): Promise<void> {
    return systemCommand("perl", ["-e", SHUTDOWN_PROGRAM, this.directory, String(SHUTDOWN[how])]);
  }

  #mount(): Promise<void> {
    return systemCommand("mount", ["-t", "ext4", "-o", "loop,noatime", this.#image, this.directory]);
  }

  /** What a killed program had open may take a moment to be closed. */
  async #unmount(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await systemCommand("umount", [this.directory]);
      } catch (error) {
        if (attempt === UNMOUNT_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, UNMOUNT_PAUSE_MS));
      }
    }
  }
}
