import { lstatSync, rmSync } from "node:fs";
import type { World } from "../world.ts";

/** How often it is looked whether the socket is still there. */
const lookEveryMs = 5_000;

/** The file of a control socket, as it was when it began to listen. */
export class SocketFile {
  readonly #path: string;
  readonly #inode: bigint | undefined;

  /** To be made when the server listens. A named pipe of Windows has no file, and is always ours. */
  constructor(path: string, platform: NodeJS.Platform) {
    this.#path = path;
    this.#inode = platform === "win32" ? undefined : inodeOf(path);
  }

  /** Whether somebody who looks for us finds us. */
  isOurs(): boolean {
    return this.#inode === undefined || inodeOf(this.#path) === this.#inode;
  }

  /** Where the folder was deleted the file of this name is another process's. */
  remove(): void {
    if (this.#inode !== undefined && this.isOurs()) rmSync(this.#path, { force: true });
  }

  /** Resolves when it is gone or another's. */
  async lost({ clock }: Pick<World, "clock">, signal: AbortSignal): Promise<void> {
    while (this.isOurs()) await clock.sleep(lookEveryMs, signal);
  }
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
