import { realpath } from "node:fs/promises";
import { GpuError } from "../../errors.ts";
import type { PackDone } from "./batch.ts";
import { failure, type OnGone, packLarge } from "./large.ts";
import { PackPool } from "./pool.ts";
import { findSuspects } from "./secrets.ts";
import { type WarningOptions, warningsOf } from "./warnings.ts";
import { readTree, type Tree, type TreeFile } from "./tree.ts";
import { ZipWriter } from "./zip.ts";

export interface PackOptions {
  /** Obey `.gitignore` and `.gpuignore`. */
  readonly ignore: boolean;
  /** A file that is not packed: the archive itself, which may lie in the project. */
  readonly except?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PackProgress) => void;
  /** Hears of a file that was listed and went away before it was packed; without it that is an error. */
  readonly onGone?: OnGone;
  /** How many threads pack; as many as there are cores, at most 4, when left out. What comes out is the same. */
  readonly threads?: number;
}

export interface PackProgress {
  readonly files: number;
  readonly bytes: number;
  /** Bytes of the archive so far. */
  readonly packedBytes: number;
}

/** What will be sent, known before anything is. */
export interface PackPlan extends Tree {
  readonly bytes: number;
}

export interface Pack {
  readonly plan: PackPlan;
  /** What a person may want to know before it leaves: secrets by their names, a large project. Files are read for it. */
  warnings(options?: WarningOptions): Promise<string[]>;
  /** The archive, read and packed while it is consumed; a new one at each call. */
  stream(): ReadableStream<Uint8Array>;
}

/** A file up to this size is packed with others in one task; memory is a few times this. */
const wholeUpTo = 4 * 2 ** 20;
/** Tasks are so large, or so many files. */
const batch = { bytes: 2 ** 20, files: 200 } as const;
/** What is smaller is packed before a worker has started. */
const worthThreadsBytes = 4 * 2 ** 20;

/** Looks through a project and gives its archive: sorted, with fixed times, so the same files give the same bytes. */
export async function packProject(dir: string, { ignore, except, signal, ...options }: PackOptions): Promise<Pack> {
  const found = await readTree(dir, { isIgnoring: ignore, signal });
  const left = await realPathOf(except);
  const tree = left === undefined ? found : { ...found, files: found.files.filter(({ path }) => path !== left) };
  if (tree.files.length === 0) throw nothingToSend(dir, tree);
  const bytes = tree.files.reduce((sum, file) => sum + file.bytes, 0);
  const threads = bytes < worthThreadsBytes ? 1 : options.threads;
  return {
    plan: { ...tree, bytes },
    warnings: async (how) => warningsOf({ ...how, suspects: await findSuspects(tree.files, signal), bytes }),
    stream: () => ReadableStream.from(archive(tree.files, { ...options, threads, signal })),
  };
}

/** Undefined where there is no such file. */
function realPathOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? Promise.resolve(undefined) : realpath(path).catch(() => undefined);
}

async function* archive(
  files: readonly TreeFile[],
  { signal, onProgress, onGone, threads }: Omit<PackOptions, "ignore" | "except">,
): AsyncGenerator<Uint8Array> {
  using pool = new PackPool({ threads });
  const zip = new ZipWriter();
  const figures = { files: 0, bytes: 0, packedBytes: 0 };
  const passed = (part: Uint8Array) => {
    figures.packedBytes += part.length;
    onProgress?.({ ...figures });
    return part;
  };
  const count = (file: TreeFile) => {
    figures.files++;
    figures.bytes += file.bytes;
  };
  for await (const { group, done } of inOrder(batchesOf(files), pool, signal)) {
    if (done !== undefined) {
      record(zip, group, { done, onGone });
      group.forEach(count);
      if (done.packed.length > 0) yield passed(done.packed);
      continue;
    }
    for (const file of group) {
      for await (const part of packLarge(zip, file, { pool, signal, onGone })) yield passed(part);
      count(file);
    }
  }
  yield passed(zip.end());
}

/** Files in their order: small ones together, a large one alone. */
function* batchesOf(files: readonly TreeFile[]): Generator<readonly TreeFile[]> {
  let group: TreeFile[] = [];
  let bytes = 0;
  for (const file of files) {
    const isLarge = file.bytes > wholeUpTo;
    if (group.length > 0 && (isLarge || bytes + file.bytes > batch.bytes || group.length >= batch.files)) {
      yield group;
      group = [];
      bytes = 0;
    }
    if (isLarge) {
      yield [file];
      continue;
    }
    group.push(file);
    bytes += file.bytes;
  }
  if (group.length > 0) yield group;
}

/** Gives batches to the pool some ahead of what is consumed. A large file comes without a result: it is packed in its turn. */
async function* inOrder(
  batches: Iterable<readonly TreeFile[]>,
  pool: PackPool,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ group: readonly TreeFile[]; done: PackDone | undefined }> {
  const ahead: { group: readonly TreeFile[]; done: Promise<PackDone | undefined> }[] = [];
  const next = async () => {
    signal?.throwIfAborted();
    const [first] = ahead.splice(0, 1);
    return first && { group: first.group, done: await first.done };
  };
  for (const group of batches) {
    const isLarge = group.some(({ bytes }) => bytes > wholeUpTo);
    const files = group.map(({ name, path, bytes }) => ({ name, path, bytes }));
    ahead.push({ group, done: isLarge ? Promise.resolve(undefined) : pool.run({ kind: "files", files }) });
    while (ahead.length > pool.width) {
      const ready = await next();
      if (ready) yield ready;
    }
  }
  for (let ready = await next(); ready; ready = await next()) yield ready;
}

function record(
  zip: ZipWriter,
  group: readonly TreeFile[],
  { done, onGone }: { done: PackDone; onGone: OnGone | undefined },
): void {
  for (const [index, entry] of done.entries.entries()) {
    const file = group[index];
    if (file === undefined) continue;
    if (!("error" in entry)) zip.add(file, entry);
    else if (entry.error.code === "ENOENT" && onGone) onGone(file.name);
    else throw failure(file, Object.assign(new Error(entry.error.message), { code: entry.error.code }));
  }
}

function nothingToSend(dir: string, { leftOut, skipped }: Tree): GpuError {
  const reasons = [
    "names that start with a dot and `__pycache__` are never sent",
    ...(leftOut.files > 0 ? [`ignore files leave out ${leftOut.files} files, \`--no-ignore\` sends them`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} names are not files of this project`] : []),
  ];
  return new GpuError(`there is nothing to send in \`${dir}\``, { hint: reasons.join("; ") });
}
