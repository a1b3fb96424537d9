// Where the lines of a log end depends on its bytes alone, so a line has the same number in every reading.

/** A line is handed on at this length even without a newline. */
export const maxLineBytes = 64 * 2 ** 10;

export const newline = 10;

/** Where the line that begins at `from` ends, one behind its last byte; 0 when it is not complete yet. */
export function lineEnd(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(newline, from);
  if (at >= 0 && at - from < maxLineBytes) return at + 1;
  // Whether the cut goes through a character is seen at the byte behind it.
  if (bytes.length - from <= maxLineBytes) return 0;
  return from + cutBefore(bytes.subarray(from), maxLineBytes);
}

/** The last place up to `length` that is not inside a character. */
export function cutBefore(bytes: Uint8Array, length: number): number {
  let end = length;
  while (end > 0 && end > length - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}
