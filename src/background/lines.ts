import type { Socket } from "node:net";

// More than any request or answer; what is longer is not one of ours.
const lineBytesMax = 4 * 1024 * 1024;

/**
 * The JSON values that come over a socket, one a line, beginning with what was read of it already. Ends with the
 * socket; throws at what is not JSON.
 */
export async function* readJsonLines(socket: Socket, first: Uint8Array = new Uint8Array()): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunksOf(socket, first)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineBytesMax) throw new Error("a line is too long");
    for (const line of lines) yield JSON.parse(line);
  }
}

async function* chunksOf(socket: Socket, first: Uint8Array): AsyncGenerator<Uint8Array> {
  yield first;
  yield* socket;
}

/** Writes one value. What cannot be written any more is dropped: nobody reads it. */
export function writeJsonLine(socket: Socket, value: unknown): void {
  if (socket.writable) socket.write(JSON.stringify(value) + "\n");
}
