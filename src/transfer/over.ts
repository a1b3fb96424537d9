import { resolve } from "node:path";
import type { Context } from "../command.ts";
import type { Session } from "../ssh/session.ts";
import { copyAll } from "./copy.ts";
import type { Side } from "./destinations.ts";
import { localBytes, localFiles } from "./local-files.ts";
import { parsePlace } from "./place.ts";
import { remoteFiles } from "./remote-files.ts";
import { look, pass } from "./sync.ts";
import { openSync } from "./sync-run.ts";
import type { SyncResult } from "./synced.ts";

/** What a recipe copies with: the session that its instance's handle holds. */
interface Over {
  readonly session: Session;
  /** As people call the machine. */
  readonly name: string;
  readonly signal?: AbortSignal;
}

interface CopyOver extends Over {
  readonly from: string;
  readonly to: string;
}

/** Copies a file or folder of this computer to a machine. */
export async function uploadOver(context: Context, over: CopyOver): Promise<void> {
  await copyOver(context, over, (there) => [here(context, over.from), there(over.to)]);
}

/** Copies a file or folder of a machine to this computer. */
export async function downloadOver(context: Context, over: CopyOver): Promise<void> {
  await copyOver(context, over, (there) => [there(over.from), here(context, over.to)]);
}

interface SyncOver extends Over {
  readonly dir: string;
  readonly path: string;
  readonly options: {
    readonly pull?: boolean;
    readonly delete?: boolean;
    readonly exclude?: readonly string[];
    readonly ignore?: boolean;
    readonly checksum?: boolean;
    readonly dryRun?: boolean;
  };
}

/** One pass of a sync. */
export async function syncOver(context: Context, over: SyncOver): Promise<SyncResult> {
  const { session, name, dir, path, options, signal = context.signal } = over;
  await using syncing = await openSync({ ...context, signal }, {
    dir,
    machine: { name, session: () => Promise.resolve(session) },
    folder: pathThere(context, path),
    options: {
      isPull: options.pull ?? false,
      isDeleting: options.delete ?? false,
      isIgnoring: options.ignore ?? true,
      isComparingContent: options.checksum ?? false,
      isDryRun: options.dryRun ?? false,
      exclude: options.exclude ?? [],
    },
  });
  return await pass(syncing, await look(syncing));
}

type There = (path: string) => Side;

async function copyOver(
  context: Context,
  { session, name, signal = context.signal }: Over,
  sides: (there: There) => [Side, Side],
): Promise<void> {
  await using sftp = await session.sftp();
  const files = remoteFiles(sftp, name);
  const [from, to] = sides((path) => ({ files, path: pathThere(context, path) }));
  const { world, progress: onProgress, note } = context;
  const { skipped } = await copyAll({
    ...{ world, sources: [from], to, signal, onProgress },
    isResuming: true,
    isDryRun: false,
  });
  for (const { name, why } of skipped) note(`${name} is left out: ${why}`);
}

function here({ world }: Context, path: string): Side {
  const bytes = localBytes(resolve(world.cwd, path));
  return { files: localFiles, path: /[\\/]$/.test(path) && bytes !== "/" ? `${bytes}/` : bytes };
}

function pathThere({ world }: Context, path: string): string {
  const place = parsePlace(`:${path}`, world.platform);
  return place.kind === "remote" ? place.path : "";
}
