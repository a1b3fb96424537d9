import { open } from "node:fs/promises";
import { newline } from "../log-lines.ts";

const pieceBytes = 64 * 2 ** 10;

/** A log as it is now, or its last lines. */
export async function logSlice(path: string, lines: number | undefined): Promise<Blob> {
  const file = Bun.file(path);
  if (!await file.exists()) return new Blob([]);
  const { size } = file;
  return file.slice(lines === undefined ? 0 : await startOfTail(path, { size, lines }), size);
}

/** Where the last lines begin, read from the end. What is behind the last newline is a line too. */
async function startOfTail(path: string, { size, lines }: { size: number; lines: number }): Promise<number> {
  if (lines === 0) return size;
  await using handle = await open(path, "r");
  const piece = Buffer.alloc(pieceBytes);
  let left = lines;
  // The newline at the very end begins no line.
  for (let end = size - 1; end > 0;) {
    const from = Math.max(0, end - pieceBytes);
    await handle.read(piece, 0, end - from, from);
    for (let at = end - from; (at = piece.subarray(0, at).lastIndexOf(newline)) >= 0;) {
      if (--left === 0) return from + at + 1;
    }
    end = from;
  }
  return 0;
}
