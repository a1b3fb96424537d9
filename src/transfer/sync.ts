import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { Gauge } from "./amounts.ts";
import type { Far } from "./far.ts";
import { compare, type Difference, type Listing } from "./listing.ts";
import { type Bytes, foldedName, folderOf, leadsOut, nameProblem, shown } from "./names.ts";
import { ignoreFiles } from "./ignored.ts";
import { type Refused, throwRefused } from "./refused.ts";
import { RuleBook } from "./rule-book.ts";
import { outerRules, scan } from "./scan.ts";
import { sameHashes } from "./hashes.ts";
import type { SyncResult } from "./synced.ts";
import type { Skipped } from "./tree.ts";

export interface SyncOptions {
  readonly isPull: boolean;
  readonly isDeleting: boolean;
  readonly isIgnoring: boolean;
  readonly isComparingContent: boolean;
  readonly isDryRun: boolean;
  readonly exclude: readonly string[];
}

export interface Move {
  readonly difference: Difference;
  readonly source: Listing;
  readonly there: Listing;
  readonly gauge: Gauge;
}

/** What a difference is done with. Returns what could not be done while all else was. */
export interface Mover {
  apply(move: Move): Promise<readonly Refused[]>;
}

export interface Syncing {
  readonly context: Context;
  readonly options: SyncOptions;
  /** Absolute. */
  readonly root: Bytes;
  readonly far: Far;
  readonly mover: Mover;
}

/** One look at both sides: what is here, what is there, and what has to be done. */
export interface Look {
  readonly difference: Difference;
  readonly source: Listing;
  readonly there: Listing;
  readonly book: RuleBook;
  readonly skipped: readonly Skipped[];
  readonly warnings: readonly string[];
}

/** Looks at both sides at once. `known`: what is there, where that is known without looking. */
export async function look(syncing: Syncing, known?: Listing): Promise<Look> {
  const { context, options, root, far } = syncing;
  const { signal, world } = context;
  const isWindows = world.platform === "win32";
  const outer = options.isPull || !options.isIgnoring ? [] : outerRules(root);
  const book = new RuleBook({ exclude: options.exclude, outer });
  const listing = known ? Promise.resolve({ listing: known, warnings: [], odd: [] }) : far.list();
  listing.catch(() => {});
  const here = await scan({
    ...{ root, signal },
    book: options.isPull ? undefined : book,
    isIgnoring: options.isIgnoring,
    mayBeMissing: options.isPull,
  });
  const found = await listing;
  if (options.isPull && found === undefined) throw new GpuError("there is no such folder on the machine");
  const remote = found?.listing ?? new Map();
  const skipped: Skipped[] = (options.isPull ? found?.odd ?? [] : here.odd)
    .filter((path) => !book.leavesOut(path, false))
    .map((path) => ({ name: shown(path), why: "it is neither a file nor a folder nor a link" }));
  if (options.isPull && options.isIgnoring) await readFarRules(remote, far, book);
  const source = options.isPull
    ? harmless(remote, { book, platform: world.platform, skip: (skip) => skipped.push(skip) })
    : here.listing;
  const there = options.isPull ? here.listing : remote;
  const sameContent = options.isComparingContent ? await sameHashes({ root, far, source, there, signal }) : undefined;
  const difference = compare({
    ...{ source, there, sameContent },
    isDeleting: options.isDeleting,
    isProtected: (path, isFolder) => book.leavesOut(path, isFolder),
    hasModes: !isWindows,
  });
  return { difference, source, there, book, skipped, warnings: found?.warnings ?? [] };
}

/** Looks, and does what has to be done. */
export async function pass(syncing: Syncing, looked: Look): Promise<SyncResult> {
  const { context: { world, progress }, options, mover } = syncing;
  const { difference, source, there, skipped, warnings } = looked;
  const startedAt = world.clock.now();
  const { files, links, removed, removedFolders, refused, bytes, same } = difference;
  if (!options.isDryRun) {
    const gauge = new Gauge({ files: files.length, bytes }, world.clock, progress);
    throwRefused([...refused, ...await mover.apply({ difference, source, there, gauge })]);
  }
  progress(undefined);
  // Of a dry run: else it was thrown.
  const left = refused.map(({ path, message }) => ({ name: shown(path ?? ""), why: message }));
  // What only gives way to something new is no loss.
  const deleted = [...removed, ...removedFolders].filter((path) => !source.has(path));
  return {
    ...{ files: files.length + links.length, bytes, same, skipped: [...skipped, ...left], warnings: [...warnings] },
    deleted: deleted.length,
    dryRun: options.isDryRun,
    planned: !options.isDryRun ? [] : [
      ...deleted.map((path) => ({ action: "delete" as const, path: shown(path), bytes: null })),
      ...[...files, ...links].map((path) => ({
        action: "send" as const,
        path: shown(path),
        bytes: source.get(path)?.kind === "file" ? source.get(path)?.bytes ?? 0 : 0,
      })),
    ],
    durationMs: world.clock.now() - startedAt,
  };
}

async function readFarRules(remote: Listing, far: Far, book: RuleBook): Promise<void> {
  const paths = [...remote].filter(([path, { kind }]) =>
    kind === "file" && ignoreFiles.includes(path.slice(path.lastIndexOf("/") + 1))
  ).map(([path]) => path);
  if (paths.length === 0) return;
  const contents = await far.readSmall(paths);
  for (const folder of new Set(paths.map(folderOf))) {
    const base = folder === "." ? "" : `${folder}/`;
    book.add(folder, ignoreFiles.flatMap((name) => contents.get(base + name) ?? []));
  }
}

/** What may be written here of what a machine lists. */
function harmless(
  remote: Listing,
  { book, platform, skip }: { book: RuleBook; platform: NodeJS.Platform; skip: (skipped: Skipped) => void },
): Listing {
  const kept: Listing = new Map();
  const seen = new Set<string>();
  for (const [path, found] of remote) {
    const folder = folderOf(path);
    if (folder !== "." && kept.get(folder)?.kind !== "folder") continue;
    if (book.leavesOut(path, found.kind === "folder")) continue;
    const folded = foldedName(path, platform);
    const why = nameProblem(path.slice(path.lastIndexOf("/") + 1), platform) ??
      (seen.has(folded) ? "another name differs from it in upper and lower case alone" : undefined) ??
      (leadsOut(folder, found.target ?? "", platform) ? "it is a link that leads out" : undefined);
    seen.add(folded);
    if (why === undefined) kept.set(path, found);
    else skip({ name: shown(path), why });
  }
  return kept;
}
