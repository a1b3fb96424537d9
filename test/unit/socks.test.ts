import { afterAll, beforeAll, expect, test } from "bun:test";
import net from "node:net";
import { readSocksRequest, type SocksRequest } from "../../src/ssh/socks.ts";

/** What the last client asked for, and what it sent ahead of an answer. */
let heard: PromiseWithResolvers<{ request: SocksRequest | undefined; ahead: string }>;
let server: net.Server;
beforeAll(async () => {
  server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, async (socket) => {
    socket.on("error", () => {});
    const request = await readSocksRequest(socket);
    const ahead = socket.read()?.toString() ?? "";
    heard.resolve({ request, ahead });
    socket.end();
    socket.resume();
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
});
afterAll(() => void server.close());

/** Sends the pieces one after the other, each once the one before had an answer or a moment. */
async function say(...pieces: readonly (readonly number[])[]) {
  heard = Promise.withResolvers();
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  const answer: number[] = [];
  socket.on("data", (chunk: Uint8Array) => void answer.push(...chunk));
  for (const piece of pieces) {
    socket.write(Uint8Array.from(piece));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const outcome = await heard.promise;
  if (!socket.readableEnded && !socket.destroyed) await new Promise((resolve) => socket.once("close", resolve).end());
  return { ...outcome, answer };
}

const text = (text: string) => [...Buffer.from(text)];
const greeting = [5, 1, 0];

test.each(
  [
    ["version 5, a name", [greeting, [5, 1, 0, 3, 4, ...text("host"), 0, 80]], { version: 5, host: "host", port: 80 }],
    ["version 5, IPv4", [greeting, [5, 1, 0, 1, 10, 0, 0, 1, 31, 144]], { version: 5, host: "10.0.0.1", port: 8080 }],
    [
      "version 5, IPv6",
      [greeting, [5, 1, 0, 4, ...new Array(15).fill(0), 1, 0, 80]],
      { version: 5, host: "0:0:0:0:0:0:0:1", port: 80 },
    ],
    ["version 4", [[4, 1, 0, 80, 10, 0, 0, 1, ...text("me"), 0]], { version: 4, host: "10.0.0.1", port: 80 }],
    [
      "version 4a, a name",
      [[4, 1, 0, 80, 0, 0, 0, 1, ...text("me"), 0, ...text("host"), 0]],
      { version: 4, host: "host", port: 80 },
    ],
  ] as const,
)("%s", async (_what, pieces, request) => {
  expect(await say(...pieces)).toMatchObject({ request, ahead: "" });
  // Byte by byte, and all at once.
  expect((await say(...pieces.flat().map((byte) => [byte]))).request).toEqual(request);
  expect(await say([...pieces.flat(), ...text("more")])).toMatchObject({ request, ahead: "more" });
});

test.each(
  [
    ["no method without a login", [[5, 1, 2]], [5, 255]],
    ["another command", [greeting, [5, 2, 0, 1, 10, 0, 0, 1, 0, 80]], [5, 0, 5, 7]],
    ["another kind of address", [greeting, [5, 1, 0, 9, 10, 0, 0, 1, 0, 80]], [5, 0, 5, 8]],
    ["a name that is none", [greeting, [5, 1, 0, 3, 3, ...text("a b"), 0, 80]], [5, 0, 5, 1]],
    ["a bind of version 4", [[4, 2, 0, 80, 10, 0, 0, 1, 0]], [0, 91]],
    ["another protocol", [text("GET / HTTP/1.1\r\n")], []],
    ["a user without an end", [[4, 1, 0, 80, 10, 0, 0, 1, ...new Array(700).fill(65)]], []],
  ] as const,
)("%s is refused", async (_what, pieces, beginning) => {
  const { request, answer } = await say(...pieces);
  expect(request).toBeUndefined();
  expect(answer.slice(0, beginning.length)).toEqual([...beginning]);
});
