// What is measured of a tunnel, through its local ports.
import net, { type Socket } from "node:net";

const megabyte = 1_000_000;

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
    socket.once("connect", () => resolve(socket)).once("error", reject);
  });
}

/** Megabytes a second from the far end to here. */
export async function download(port: number, megabytes: number): Promise<number> {
  const startedAt = performance.now();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let count = 0;
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open: (socket) => void socket.write(`${megabytes * megabyte}\n`),
      data: (_socket, chunk) => void (count += chunk.length),
      end: (socket) => void socket.end(),
      close: () => resolve(),
    },
  });
  await over;
  if (count !== megabytes * megabyte) throw new Error(`${count} bytes came of ${megabytes} MB`);
  return megabytes / (performance.now() - startedAt) * 1000;
}

/** Megabytes a second from here to the far end, until that has all of them. */
export async function upload(port: number, megabytes: number): Promise<number> {
  const block = new Uint8Array(256 * 1024).fill(120);
  const startedAt = performance.now();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  let left = megabytes * megabyte;
  let answer = "";
  const push = (socket: Bun.Socket) => {
    while (left > 0) {
      const wanted = Math.min(left, block.length);
      const written = Math.max(0, socket.write(block.subarray(0, wanted)));
      left -= written;
      if (written < wanted) return;
    }
    socket.shutdown();
  };
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open: push,
      drain: (socket) => void (left > 0 && push(socket)),
      data: (_socket, chunk) => void (answer += new TextDecoder().decode(chunk)),
      end: (socket) => void socket.end(),
      close: () => resolve(),
    },
  });
  await over;
  if (answer !== String(megabytes * megabyte)) throw new Error(`${answer} bytes came of ${megabytes} MB`);
  return megabytes / (performance.now() - startedAt) * 1000;
}

/** Milliseconds that a request on a connection of its own takes, until that is closed. */
export async function request(port: number): Promise<number> {
  const startedAt = performance.now();
  const socket = await dial(port);
  socket.write("GET / HTTP/1.1\r\nhost: far\r\nconnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += chunk;
  if (!text.endsWith("ok")) throw new Error(`an answer is \`${text}\``);
  return performance.now() - startedAt;
}

/** Milliseconds a request, of many that follow each other on one connection. */
export async function requests(port: number, count: number): Promise<number> {
  const socket = await dial(port);
  socket.once("close", () => socket.emit("data", ""));
  try {
    const startedAt = performance.now();
    for (let index = 0; index < count; index++) {
      const answer = new Promise((resolve) => socket.once("data", resolve));
      socket.write("GET / HTTP/1.1\r\nhost: far\r\n\r\n");
      await answer;
    }
    return (performance.now() - startedAt) / count;
  } finally {
    socket.destroy();
  }
}

/** Milliseconds until a request is answered, however often it takes, and how many connections were refused. */
export async function untilAnswered(port: number, limitMs: number): Promise<{ ms: number; refused: number }> {
  const startedAt = performance.now();
  let refused = 0;
  for (;;) {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("late")), limitMs);
    try {
      await Promise.race([request(port), late]);
      return { ms: performance.now() - startedAt, refused };
    } catch (error) {
      if (performance.now() - startedAt >= limitMs) return { ms: Infinity, refused };
      if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED") refused++;
      await Bun.sleep(2);
    } finally {
      clearTimeout(timer);
    }
  }
}
