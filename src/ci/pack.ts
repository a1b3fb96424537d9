import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { GpuError } from "../errors.ts";
import { deflater } from "./deflater.ts";
import { warningsOf } from "./pack-warnings.ts";
import { readTree, type Tree, type TreeFile, unreadable } from "./tree.ts";
import { type Method, ZipWriter } from "./zip.ts";

export interface PackOptions {
  /** Obey `.gitignore` and `.gpuignore`. */
  readonly ignore: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PackProgress) => void;
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
  /** What a person may want to know before it leaves: secrets by their names, a large project. */
  readonly warnings: readonly string[];
}

export interface Pack {
  readonly plan: PackPlan;
  /** The archive, read and packed while it is consumed; a new one at each call. */
  stream(): ReadableStream<Uint8Array>;
}

/** A file up to this size is read, packed and written at once; memory is a few times this. */
const wholeUpTo = 4 * 2 ** 20;
const pieceBytes = 256 * 2 ** 10;

/** Looks through a project and gives its archive: sorted, with fixed times, so the same files give the same bytes. */
export async function packProject(dir: string, { ignore, signal, onProgress }: PackOptions): Promise<Pack> {
  const tree = await readTree(dir, { isIgnoring: ignore, signal });
  if (tree.files.length === 0) throw nothingToSend(dir, tree);
  const bytes = tree.files.reduce((sum, file) => sum + file.bytes, 0);
  return {
    plan: { ...tree, bytes, warnings: warningsOf(tree.files, bytes) },
    stream: () => ReadableStream.from(archive(tree.files, { signal, onProgress })),
  };
}

async function* archive(
  files: readonly TreeFile[],
  { signal, onProgress }: Omit<PackOptions, "ignore">,
): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter();
  const figures = { files: 0, bytes: 0, packedBytes: 0 };
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for (const file of files) {
    signal?.throwIfAborted();
    for await (const part of file.bytes <= wholeUpTo ? packWhole(zip, file) : packInPieces(zip, file, signal)) {
      waiting.push(part);
      waitingBytes += part.length;
      if (waitingBytes < pieceBytes) continue;
      figures.packedBytes += waitingBytes;
      yield Buffer.concat(waiting);
      onProgress?.({ ...figures });
      waiting = [];
      waitingBytes = 0;
    }
    figures.files++;
    figures.bytes += file.bytes;
  }
  const end = zip.end();
  figures.packedBytes += waitingBytes + end.length;
  yield Buffer.concat([...waiting, end]);
  onProgress?.({ ...figures });
}

function* packWhole(zip: ZipWriter, file: TreeFile): Generator<Uint8Array> {
  const content = readWhole(file);
  const deflated = content.length > 64 ? Bun.deflateSync(content, { library: "libdeflate" }) : content;
  const method: Method = deflated.length < content.length ? 8 : 0;
  const packed = method === 8 ? deflated : content;
  yield zip.known(file, { method, crc: crc32(content), packedBytes: packed.length, bytes: content.length });
  yield packed;
}

/** What a small file holds at this moment; one that has grown since it was listed is cut at what was announced. */
function readWhole(file: TreeFile): Uint8Array<ArrayBuffer> {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file.path, openFlags);
    refuseOther(fstatSync(descriptor).isFile(), file);
    const content = new Uint8Array(file.bytes);
    let length = 0;
    while (length < content.length) {
      const count = readSync(descriptor, content, length, content.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return content.subarray(0, length);
  } catch (error) {
    throw error instanceof GpuError ? error : unreadable("file", file.path, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

async function* packInPieces(
  zip: ZipWriter,
  file: TreeFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  await using handle = await openLarge(file);
  let isFirst = true;
  let entry: ReturnType<ZipWriter["open"]> | undefined;
  let deflate: ReturnType<typeof deflater> | undefined;
  let crc = 0;
  let bytes = 0;
  let packedBytes = 0;
  while (bytes < file.bytes || isFirst) {
    signal?.throwIfAborted();
    const piece = new Uint8Array(Math.min(pieceBytes * 4, file.bytes - bytes));
    const { bytesRead } = await handle.read(piece, 0, piece.length, null).catch((error) => {
      throw unreadable("file", file.path, error);
    });
    const content = piece.subarray(0, bytesRead);
    if (isFirst) {
      isFirst = false;
      // What the first piece does not shrink by (weights, images, archives) the rest mostly does not either.
      const method: Method =
        Bun.deflateSync(content, { library: "libdeflate", level: 1 }).length < content.length * 0.95 ? 8 : 0;
      entry = zip.open(file, { method, expectedBytes: file.bytes });
      if (method === 8) deflate = deflater();
      yield entry.head;
    }
    if (bytesRead === 0) break; // It has shrunk since it was listed: what was read is what is there.
    crc = crc32(content, crc);
    bytes += bytesRead;
    const packed = deflate ? await deflate.push(content) : [content];
    for (const part of packed) packedBytes += part.length;
    yield* packed;
  }
  const rest = deflate ? await deflate.end() : [];
  for (const part of rest) packedBytes += part.length;
  yield* rest;
  if (entry) yield entry.tail({ crc, packedBytes, bytes });
}

// A name that became a link or a pipe since it was listed is not followed and not waited for.
const openFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

async function openLarge(file: TreeFile): Promise<FileHandle> {
  const handle = await open(file.path, openFlags).catch((error) => {
    throw unreadable("file", file.path, error);
  });
  const stats = await handle.stat();
  if (!stats.isFile()) await handle.close();
  refuseOther(stats.isFile(), file);
  return handle;
}

function refuseOther(isFile: boolean, file: TreeFile): void {
  if (!isFile) throw new GpuError(`\`${file.path}\` stopped being a file while it was packed`, { hint: "try again" });
}

function nothingToSend(dir: string, { leftOut, skipped }: Tree): GpuError {
  const reasons = [
    "names that start with a dot and `__pycache__` are never sent",
    ...(leftOut.files > 0 ? [`ignore files leave out ${leftOut.files} files, \`--no-ignore\` sends them`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} names are not files of this project`] : []),
  ];
  return new GpuError(`there is nothing to send in \`${dir}\``, { hint: reasons.join("; ") });
}
