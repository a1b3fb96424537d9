import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, linkSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GpuError } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { abortable } from "../http/body.ts";
import { connectionError } from "../http/connection.ts";
import { watchQuiet } from "../http/quiet.ts";
import type { Target } from "../http/request.ts";
import type { World } from "../world.ts";
import { removeAbandoned } from "./abandoned.ts";
import { requestFile } from "./file.ts";
import { runProgram } from "./program.ts";
import type { FoundRelease } from "./releases.ts";

interface ReplaceOptions {
  readonly world: World;
  readonly release: FoundRelease;
  /** `linux-x64-musl`, as in the names of its files. */
  readonly platform: string;
  /** The executable to replace: absolute, links followed. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Bytes that came so far, and how many there are. */
  readonly onProgress: (bytes: number, total: number | undefined) => void;
}

/** The one before, for whoever wants it back. */
export function previousPath(path: string): string {
  return path.endsWith(".exe") ? path.replace(/\.exe$/, ".previous.exe") : `${path}.previous`;
}

/**
 * Puts the executable of a release in the place of this one, in one step: whoever starts it meanwhile gets either. One
 * that does not start here never takes the place. Returns where the one before is kept.
 */
export async function replaceExecutable(options: ReplaceOptions): Promise<string> {
  const { world, release, path, signal } = options;
  const folder = makeFolder(dirname(path));
  try {
    removeAbandoned(dirname(path), { nowMs: world.clock.now() });
    const before = identityOf(path);
    const fresh = await download(folder, options);
    const { exitCode, stdout } = await runProgram(world, [fresh, "--version"], { timeoutMs: 30_000, signal });
    if (exitCode !== 0 || stdout.trim() !== `gpu ${release.version}`) {
      throw new GpuError(`gpu ${release.version} does not start on this computer`, {
        hint: "nothing was changed; `gpu upgrade --to VERSION` takes another one",
      });
    }
    // Otherwise what is kept would be what the other one put there, and the one before both would be gone.
    if (identityOf(path) !== before) {
      throw new GpuError(`\`${path}\` was replaced meanwhile, as another \`gpu upgrade\` does`, {
        hint: "nothing more was changed; `gpu --version` says what it is now",
      });
    }
    const kept = previousPath(path);
    if (world.platform === "win32") swap({ path, kept, fresh });
    else {
      // A second name of the same file, or a copy: there is an executable in its place at every moment.
      const spare = join(folder, "previous");
      try {
        linkSync(path, spare);
      } catch {
        copyFileSync(path, spare);
      }
      renameSync(spare, kept);
      renameSync(fresh, path);
    }
    return kept;
  } catch (error) {
    if (error instanceof GpuError) throw error;
    signal.throwIfAborted();
    throw new GpuError(`cannot replace \`${path}\`: ${reasonOf(error)}`, { hint: "nothing was changed", cause: error });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Changes when the file is another one. */
function identityOf(path: string): string {
  const { ino, size, mtimeMs } = statSync(path);
  return `${ino} ${size} ${mtimeMs}`;
}

/** Windows lets go of the name of a file that runs, and of nothing else: no other name, no replacing it. */
function swap({ path, kept, fresh }: { path: string; kept: string; fresh: string }): void {
  renameSync(path, kept);
  try {
    renameSync(fresh, path);
  } catch (error) {
    renameSync(kept, path);
    throw error;
  }
}

/** Beside the executable: what is made there can take its place by a rename. */
function makeFolder(beside: string): string {
  try {
    const folder = mkdtempSync(join(beside, ".gpu-upgrade-"));
    // The umask may take away what its owner needs.
    chmodSync(folder, 0o700);
    return folder;
  } catch (error) {
    throw new GpuError(`cannot write into \`${beside}\`: ${reasonOf(error)}`, {
      hint: "run it as who may, or install gpu into a folder of yours",
      cause: error,
    });
  }
}

/** Brings the executable here, whole and as it was released. xz makes it a third of the size, where there is one. */
async function download(folder: string, options: ReplaceOptions): Promise<string> {
  const { world, release, platform, signal } = options;
  const isWindows = platform.startsWith("windows");
  const fresh = join(folder, isWindows ? "gpu.exe" : "gpu");
  const packed = `gpu-${platform}.tar.xz`;
  const hasXz = !isWindows && release.checksums.has(packed) &&
    (await runProgram(world, ["xz", "--version"], { timeoutMs: 5_000, signal })).exitCode === 0;
  const name = hasXz ? packed : `gpu-${platform}${isWindows ? ".exe" : ""}`;
  const expected = release.checksums.get(name);
  if (expected === undefined) {
    throw new GpuError(`gpu ${release.version} was not released for ${platform}`, {
      hint: `${release.url} has what there is`,
    });
  }
  const path = hasXz ? join(folder, name) : fresh;
  if (await fetchFile(name, { ...options, path }) !== expected) {
    throw new GpuError(`what was downloaded is not what was released: the checksum of \`${name}\` is wrong`, {
      hint: "try again; nothing was changed",
    });
  }
  if (hasXz) await unpack(path, { folder, world, signal });
  chmodSync(fresh, 0o755);
  // A rename may outlive a power cut that its content does not.
  await using file = await open(fresh, "r+");
  await file.sync();
  return fresh;
}

/** No release is as large: a server that never ends would fill the disk. */
const maxBytes = 2 ** 30;

/** Writes a file of the release and returns its SHA-256. */
async function fetchFile(
  name: string,
  { world, release, signal, onProgress, path }: ReplaceOptions & { path: string },
): Promise<string> {
  const target: Target = { world, service: "the place of the releases", baseUrl: release.url, signal };
  const response = await requestFile(target, `/${name}`);
  const length = Number(response.headers.get("content-length"));
  const hash = createHash("sha256");
  await using file = await open(path, "wx", 0o600);
  await file.chmod(0o600);
  const check = (count: number) => {
    if (count <= maxBytes) return;
    throw new GpuError(`what comes for \`${name}\` is larger than 1 GiB`, { hint: "nothing was changed" });
  };
  check(length);
  let bytes = 0;
  for await (const chunk of piecesOf(response, { ...target, signal })) {
    check(bytes + chunk.length);
    hash.update(chunk);
    await file.writeFile(chunk);
    bytes += chunk.length;
    onProgress(bytes, length > 0 ? length : undefined);
  }
  return hash.digest("hex");
}

/** What comes of an answer; a server that breaks off or falls silent is an error that says so. */
async function* piecesOf(
  { body }: Response,
  { world, service, baseUrl, signal }: Target & { signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  // As install.sh: slower than 1 kB/s it would take a day.
  using watch = watchQuiet({ clock: world.clock, quietMs: 30_000, leastBytes: 30_000, signal });
  try {
    for await (const chunk of abortable(body, watch.signal)) {
      watch.touch(chunk.length);
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw connectionError(error, { service, url: new URL(baseUrl), env: world.env });
  }
}

async function unpack(
  path: string,
  { folder, world, signal }: { folder: string; world: World; signal: AbortSignal },
): Promise<void> {
  // From the folder, not with -C: tar takes a backslash in it for more than that.
  const command = ["tar", "-xJf", path, "gpu"];
  if ((await runProgram({ ...world, cwd: folder }, command, { timeoutMs: 10 * 60_000, signal })).exitCode === 0) return;
  throw new GpuError(`cannot unpack what was downloaded into \`${folder}\``, {
    hint: "is there space left on the disk?",
  });
}
