// The servers that the tunnels of the benchmark lead to, in a process of their own. Prints their ports.
// Made of Bun's own sockets: what the ends cost is taken from the computer that the tunnels run on.
import process from "node:process";

const block = new Uint8Array(256 * 1024).fill(120);

interface State {
  /** Bytes that are still to be sent, or have come. */
  count: number;
}

type Serve = (socket: Bun.Socket<State>, chunk: Uint8Array) => void;

function push(socket: Bun.Socket<State>): void {
  while (socket.data.count > 0) {
    const wanted = Math.min(socket.data.count, block.length);
    const written = Math.max(0, socket.write(block.subarray(0, wanted)));
    socket.data.count -= written;
    if (written < wanted) return;
  }
  socket.end();
}

/** Sends as many bytes as the first line says. */
const source: Serve = (socket, chunk) => {
  socket.data.count = Number(new TextDecoder().decode(chunk));
  push(socket);
};

/** Counts, and says how many there were. */
const sink: Serve = (socket, chunk) => void (socket.data.count += chunk.length);

/** Answers every request of HTTP with two bytes, and closes where it is asked to. */
const http: Serve = (socket, chunk) => {
  const isLast = new TextDecoder().decode(chunk).includes("connection: close");
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: ${isLast ? "close" : "keep-alive"}\r\n\r\nok`;
  if (isLast) socket.end(answer);
  else socket.write(answer);
};

const ports = [source, sink, http].map((serve) =>
  Bun.listen<State>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        socket.data = { count: 0 };
        socket.setNoDelay(true);
      },
      data: serve,
      drain: (socket) => void (serve === source && socket.data.count > 0 && push(socket)),
      end(socket) {
        if (serve === sink) socket.end(String(socket.data.count));
        else if (serve === http) socket.end();
      },
      error() {},
    },
  }).port
);
console.log(JSON.stringify(ports));
process.stdin.on("end", () => process.exit(0)).resume();
