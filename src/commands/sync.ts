import { z } from "zod";
import { defineStream } from "../command.ts";
import { reachParams } from "../transfer/params.ts";
import { SyncResult, viewSync } from "../transfer/synced.ts";

const input = z.object({
  dir: z.string().meta({ positional: true, complete: "folder", placeholder: "folder", description: "folder here" }),
  place: z.string().meta({
    positional: true,
    complete: "place",
    placeholder: "machine:folder",
    description: "folder on a machine; `:folder` is on the only instance",
  }),
  pull: z.boolean().default(false).describe("make the folder here like the one there, instead of the other way round"),
  delete: z.boolean().default(false).describe("delete what the source does not have; never what ignore files name"),
  exclude: z.array(z.string()).default([]).meta({
    placeholder: "pattern",
    description: "leave out what matches, as a line of `.gitignore` would",
  }),
  ignore: z.boolean().default(true).describe("leave out what `.gitignore` and `.gpuignore` name"),
  checksum: z.boolean().default(false).describe("compare contents where the size is the same, whatever the time says"),
  dryRun: z.boolean().default(false).describe("print what would be sent and deleted, and how much"),
  watch: z.boolean().default(false).describe("go on, and send each change at once, until Ctrl-C"),
  ...reachParams,
});

export default defineStream({
  name: "sync",
  summary: "Make a folder on a machine like one here",
  description:
    "One way, and only what changed: another size or time. Permissions, times and links are kept; links are not followed.\n" +
    "`.gitignore` and `.gpuignore` count as git reads them, and `.git` stays here unless one of them says `!.git`.\n" +
    "Small files go as one stream, which takes sh and tar over there; without them, files go one by one over SFTP.",
  effect: "destroy",
  examples: [
    { command: "gpu sync . trainer:project", says: "this folder, without what git ignores" },
    { command: "gpu sync . trainer:project --watch", says: "and each change as it is saved" },
    { command: "gpu sync results trainer:project/results --pull", says: "what came out of it, back here" },
  ],
  input,
  output: SyncResult,
  async plan(given, context) {
    if (!given.delete || given.dryRun) return undefined;
    const { lookOnly } = await import("../transfer/sync-run.ts");
    const { shown } = await import("../transfer/names.ts");
    const { difference, source } = await lookOnly(context, requestOf(given));
    context.progress(undefined);
    const gone = [...difference.removed, ...difference.removedFolders].filter((path) => !source.has(path));
    if (gone.length === 0) return undefined;
    const where = given.pull ? given.dir : given.place;
    return {
      action: `make \`${where}\` like \`${given.pull ? given.place : given.dir}\``,
      loss: gone.length === 1
        ? `\`${shown(gone[0] ?? "")}\`, which is only there`
        : `${gone.length} files and folders that are only there`,
    };
  },
  async *run(given, context) {
    const { UsageError } = await import("../errors.ts");
    if (given.watch && (given.pull || given.dryRun)) {
      throw new UsageError("`--watch` sends what changes here: it goes with neither `--pull` nor `--dry-run`");
    }
    const { syncAsTold } = await import("../transfer/sync-run.ts");
    yield* syncAsTold(context, { ...requestOf(given), isWatching: given.watch });
  },
  async handle(passes, _context, { watch }) {
    const { syncHandle } = await import("../recipe/sync.ts");
    return await syncHandle(passes, watch);
  },
  view: viewSync,
});

function requestOf(given: z.output<typeof input>) {
  const { dir, place, pull, delete: isDeleting, exclude, ignore, checksum, dryRun, watch: _, ...reach } = given;
  const options = {
    ...{ isDeleting, exclude },
    isPull: pull,
    isIgnoring: ignore,
    isComparingContent: checksum,
    isDryRun: dryRun,
  };
  return { dir, place, options, reach };
}
