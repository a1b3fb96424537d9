import type { Socket } from "node:net";

// More than any request or answer; what is longer is not one of ours.
const lineBytesMax = 4 * 1024 * 1024;

/** The JSON values that come over a socket, one a line. Ends with the socket; throws at what is not JSON. */
export async function* readJsonLines(socket: Socket): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of socket) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineBytesMax) throw new Error("a line is too long");
    for (const line of lines) yield JSON.parse(line);
  }
}

/** Writes one value. What cannot be written any more is dropped: nobody reads it. */
export function writeJsonLine(socket: Socket, value: unknown): void {
  if (socket.writable) socket.write(JSON.stringify(value) + "\n");
}
