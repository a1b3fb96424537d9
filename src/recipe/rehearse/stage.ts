import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Emulator } from "../../emulate/lambda.ts";
import { GpuError } from "../../errors.ts";
import { makePrivateFolder, writeWhole } from "../../files.ts";
import { isLoopback } from "../../http/request.ts";
import { isLocked, tryLock } from "../../lock.ts";
import type { World } from "../../world.ts";
import type { Chaos } from "./chaos.ts";

/** The folders of a rehearsal: a journal, machines and a configuration of its own. Disposing of it removes them. */
export interface Stage extends AsyncDisposable {
  /** For the emulator's machines. */
  readonly cloudFolder: string;
  /** The user's world without the user's keys, configuration, journal and network. */
  world(parts: { readonly emulator: Emulator | undefined; readonly chaos: Chaos }): World;
}

/** Sockets of machines are below it, and a socket's path is short. */
const longestRoot = 60;
/** A rehearsal that has no lock yet is only a moment old. */
const youngMs = 60_000;

/** Makes the folders, and clears away what rehearsals that were killed have left. */
export async function openStage(world: World): Promise<Stage> {
  const all = join(world.folders.state, "try");
  const id = Buffer.from(world.random(4)).toString("hex");
  const isShort = Buffer.byteLength(join(all, id)) <= longestRoot;
  if (isShort) await sweep(all, world);
  const root = isShort ? join(all, id) : await mkdtemp(join(tmpdir(), "gpu-try-"));
  const folders = {
    config: join(root, "config"),
    state: join(root, "gpu"),
    // Types, verdicts and binaries are the same for everybody.
    cache: world.folders.cache,
  };
  await makePrivateFolder(root);
  const lock = tryLock(join(root, "lock"));
  if (lock === undefined) throw new GpuError(`somebody else holds the lock of \`${root}\``);
  await makePrivateFolder(folders.state);
  await makePrivateFolder(folders.config);
  await copySettings(world, folders.config);
  return {
    cloudFolder: join(root, "cloud"),
    world: ({ emulator, chaos }) => {
      const { keychain: _, ...rest } = world;
      return {
        ...rest,
        folders,
        env: environmentOf(world, { root, emulator }),
        fetch: (url, init) => onlyHere(new URL(url).hostname) ?? world.fetch(url, init),
        dial: chaos.dial((to) => onlyHere(to.host) ?? world.dial(to)),
      };
    },
    async [Symbol.asyncDispose]() {
      await quitBackground({ ...world, folders });
      lock[Symbol.dispose]();
      await removeStage(root, world);
    },
  };
}

function onlyHere(host: string): Promise<never> | undefined {
  if (isLoopback(host) || host === "::1") return undefined;
  return Promise.reject(
    new GpuError(`a rehearsal reaches nothing but this computer, and \`${host}\` is another`, {
      hint: "run it without `--emulate` and `--chaos` to reach it",
    }),
  );
}

/** What opens the user's own accounts, and what names them. */
const hidden = [
  ...["LAMBDA_API_KEY", "LAMBDA_API_URL", "CI_API_KEY", "CI_SERVER_URL", "GPU_PROFILE", "GPU_PROVIDER"],
  ...["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"],
];

function environmentOf(
  world: World,
  { root, emulator }: { root: string; emulator: Emulator | undefined },
): World["env"] {
  const kept = Object.entries(world.env).filter(([name]) => !hidden.includes(name));
  return {
    ...Object.fromEntries(kept),
    // For a `gpu` that the recipe starts: it finds the same journal.
    XDG_STATE_HOME: root,
    GPU_PROVIDER: emulator ? "lambda" : "local",
    ...(emulator && { LAMBDA_API_URL: emulator.url, LAMBDA_API_KEY: emulator.key }),
  };
}

/** What the user prefers, without accounts, machines of their own, and anybody to be told. */
async function copySettings(world: World, folder: string): Promise<void> {
  const { loadConfig } = await import("../../config.ts");
  // A broken configuration is told by whatever needs it; a rehearsal does without.
  const config = await loadConfig(world).catch(() => undefined);
  if (config === undefined) return;
  const { defaults, budget, lease, tunnel, statusDaemon, models } = config;
  await writeWhole(
    join(folder, "config.yaml"),
    JSON.stringify({ defaults, budget, lease, tunnel, statusDaemon, models }),
  );
}

async function quitBackground(world: World): Promise<void> {
  const { findBackground } = await import("../../background/client.ts");
  using background = await findBackground(world);
  await background?.quit();
}

async function sweep(all: string, world: World): Promise<void> {
  for (const name of await readdir(all).catch(() => [])) {
    const root = join(all, name);
    const made = await stat(root).catch(() => undefined);
    if (!/^[0-9a-f]{8}$/.test(name) || made === undefined) continue;
    if (isLocked(join(root, "lock")) || world.clock.now() - made.mtimeMs < youngMs) continue;
    await removeStage(root, world);
  }
}

/** Ends the machines that are still there, then removes everything. */
async function removeStage(root: string, world: World): Promise<void> {
  const { listIds } = await import("../../provider/local/folder.ts");
  const { localProvider } = await import("../../provider/local/local.ts");
  for (const state of [join(root, "gpu"), join(root, "cloud")]) {
    const there = { ...world, folders: { ...world.folders, state } };
    await Promise.all((await listIds(there)).map((id) => localProvider(there).terminate(id)));
  }
  await rm(root, { recursive: true, force: true, maxRetries: 3 });
}
