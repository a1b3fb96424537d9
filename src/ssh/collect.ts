/** The runtime counts what lies outside of its heap too late: after so many bytes it is told to look. */
const collectedBytes = 64 * 2 ** 20;

/** Keeps the memory small that bytes leave behind as they pass through. Called with how many have. */
export function collector(): (byteCount: number) => void {
  let left = collectedBytes;
  return (byteCount) => {
    left -= byteCount;
    if (left > 0) return;
    left = collectedBytes;
    Bun.gc(true);
  };
}
