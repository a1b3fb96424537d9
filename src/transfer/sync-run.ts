import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Context } from "../command.ts";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { Far, FarListing } from "./far.ts";
import type { Files } from "./files.ts";
import { localBytes } from "./local-files.ts";
import { type Machine, Machines } from "./machines.ts";
import { type Bytes, shown } from "./names.ts";
import type { ReachFlags } from "./params.ts";
import { parseRemotePlace } from "./place.ts";
import { pull } from "./pull.ts";
import { pushThroughSftp, pushThroughShell } from "./push.ts";
import { remoteFiles } from "./remote-files.ts";
import { SftpFar } from "./sftp-far.ts";
import { ShellFar } from "./shell-far.ts";
import { type Look, look, type Mover, pass, type Syncing, type SyncOptions } from "./sync.ts";
import type { SyncResult } from "./synced.ts";

export interface SyncRequest {
  readonly dir: string;
  readonly place: string;
  readonly options: SyncOptions;
  readonly reach: ReachFlags;
}

/** What a sync would do, without doing it: for a question beforehand. */
export async function lookOnly(context: Context, request: SyncRequest): Promise<Look> {
  const { world } = context;
  await using machines = new Machines(context, request.reach);
  const { target, path } = parseRemotePlace(request.place, world.platform);
  const machine = await machines.machine(target);
  return await machines.around(async () => {
    await using syncing = await openSync(context, { ...request, machine, folder: path });
    return await look(syncing);
  });
}

/** One pass; with `isWatching`, one more whenever something changes here, until the signal fires. */
export async function* syncAsTold(
  context: Context,
  request: SyncRequest & { readonly isWatching: boolean },
): AsyncGenerator<SyncResult> {
  const { world } = context;
  await using machines = new Machines(context, request.reach);
  const { target, path } = parseRemotePlace(request.place, world.platform);
  const machine = await machines.machine(target);
  const open = () => openSync(context, { ...request, machine, folder: path });
  if (request.isWatching) {
    const { watchAndSync } = await import("./watch.ts");
    yield* watchAndSync(context, open, machine.name);
    return;
  }
  yield await machines.around(async () => {
    await using syncing = await open();
    return await pass(syncing, await look(syncing));
  });
}

/** Both sides of a sync, opened. */
export type OpenSync = Syncing & AsyncDisposable;

interface Opening {
  readonly dir: string;
  readonly options: SyncOptions;
  readonly machine: Machine;
  readonly folder: Bytes;
}

/** Looks at the machine once, to know how it can be worked with. */
export async function openSync(context: Context, { dir, options, machine, folder }: Opening): Promise<OpenSync> {
  const { world, signal, note, progress } = context;
  const root = localBytes(await rootOf(resolve(world.cwd, dir), options.isPull));
  const session = await machine.session();
  progress(`looking at ${machine.name}`);
  const stack = new AsyncDisposableStack();
  const files = onceTried(async () => {
    const sftp = await session.sftp();
    return remoteFiles(stack.use(sftp), machine.name);
  });
  const shell = new ShellFar({ world, session, name: machine.name, folder, signal });
  // The first look also tells how this machine can be worked with.
  let first: { found: FarListing | undefined } | undefined = { found: await shell.list() };
  const shared = { world, root, folder, signal };
  const close = () => stack.disposeAsync();
  if (shell.usable === "yes") {
    const far: Far = {
      async list() {
        const listed = first;
        first = undefined;
        return listed === undefined ? await shell.list() : listed.found;
      },
      readSmall: (paths) => shell.readSmall(paths),
      hashes: (paths) => shell.hashes(paths),
      remove: (files, folders) => shell.remove(files, folders),
    };
    const mover: Mover = options.isPull
      ? pull({ ...shared, far: shell, files })
      : pushThroughShell({ ...shared, far: shell, files });
    return { context, options, root, far, mover, [Symbol.asyncDispose]: close };
  }
  const there = await files();
  if (there === undefined) {
    throw new GpuError(`\`${machine.name}\` has ${shell.usable === "no tar" ? "no tar" : "no shell"} and no SFTP`, {
      hint: "a sync needs sh and tar over there, or SFTP",
    });
  }
  note(
    `${machine.name} has ${shell.usable === "no tar" ? "no tar" : "no shell"} for us: files go one by one, over SFTP`,
  );
  const far = new SftpFar({ files: there, folder, signal });
  const mover: Mover = options.isPull
    ? pull({ ...shared, far: undefined, files })
    : pushThroughSftp({ ...shared, far, files: there });
  return { context, options, root, far, mover, [Symbol.asyncDispose]: close };
}

/** The real folder: what is in it is never reached through a link. */
async function rootOf(path: string, mayBeMissing: boolean): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") {
      if (mayBeMissing) return path;
      throw new GpuError(`there is no folder \`${shown(localBytes(path))}\``, { cause: error });
    }
    throw new GpuError(`cannot look at \`${shown(localBytes(path))}\`: ${reasonOf(error)}`, { cause: error });
  }
  throw new GpuError(`\`${shown(localBytes(path))}\` is not a folder`, { hint: "`gpu cp` copies a file" });
}

/** Opened the first time it is needed; undefined where the machine has no SFTP. */
function onceTried(open: () => Promise<Files>): () => Promise<Files | undefined> {
  let opened: Promise<Files | undefined> | undefined;
  return () =>
    opened ??= open().catch(async (error: unknown) => {
      const { SshError } = await import("../ssh/failure.ts");
      if (error instanceof SshError && error.reason === "channel") return undefined;
      throw error;
    });
}
