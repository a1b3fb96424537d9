import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { GpuError } from "../errors.ts";
import type { World } from "../world.ts";

/** Where the background process of a state folder is found. */
export interface Place {
  /** The control socket; on Windows a named pipe. */
  readonly socket: string;
  /** Held by the background process for as long as it lives. */
  readonly lock: string;
  readonly log: string;
}

// The system's limit for the path of a socket: 108 bytes on Linux, 104 on macOS.
const socketPathMax = 100;

/** Computes the paths; makes nothing. */
export function backgroundPlace({ folders, platform }: Pick<World, "folders" | "platform">): Place {
  const lock = join(folders.state, "background.lock");
  const log = join(folders.state, "background.log");
  return { socket: socketPath(folders.state, platform), lock, log };
}

/** Makes the folders, ours alone. */
export function preparePlace({ folders, platform }: Pick<World, "folders" | "platform">): Place {
  const place = backgroundPlace({ folders, platform });
  mkdirSync(folders.state, { recursive: true, mode: 0o700 });
  // Somebody may have made it, with more rights for others, before anything was in it.
  if (platform !== "win32" && (describe(folders.state).mode & 0o077) !== 0) chmodSync(folders.state, 0o700);
  if (platform === "win32" || dirname(place.socket) === folders.state) return place;
  const folder = dirname(place.socket);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Anybody may have made a folder of this name in the temporary folder first.
  const { uid, mode, isDirectory } = describe(folder);
  if (!isDirectory || uid !== userInfo().uid) {
    throw new GpuError(`\`${folder}\` belongs to somebody else, and the background process needs it`, {
      hint: "a shorter `XDG_STATE_HOME` needs no folder there",
    });
  }
  if ((mode & 0o077) !== 0) chmodSync(folder, 0o700);
  return place;
}

/** Whether the socket is there and nobody else can have made it or can use it: only then it is told anything. */
export function isPlaceOurs(socket: string, platform: NodeJS.Platform): boolean {
  if (platform === "win32") return true;
  try {
    const { uid } = userInfo();
    const folder = describe(dirname(socket));
    const { mode, uid: owner } = describe(socket);
    return owner === uid && (mode & 0o077) === 0 && folder.uid === uid && folder.isDirectory &&
      (folder.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

function socketPath(state: string, platform: NodeJS.Platform): string {
  const hash = () => new Bun.CryptoHasher("sha256").update(state).digest("hex").slice(0, 16);
  if (platform === "win32") return `\\\\.\\pipe\\gpu-${hash()}`;
  const path = join(state, "background.sock");
  // Not TMPDIR: every shell must find the same one.
  return Buffer.byteLength(path) <= socketPathMax ? path : `/tmp/gpu-${userInfo().uid}-${hash()}/background.sock`;
}

function describe(path: string): { uid: number; mode: number; isDirectory: boolean } {
  const stats = lstatSync(path);
  return { uid: stats.uid, mode: stats.mode, isDirectory: stats.isDirectory() };
}
