import { chmodSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { GpuError, systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { Clock } from "../../world.ts";
import { detail } from "./answers.ts";

/** A Unix socket by its path, or a TCP port; 0 takes any free one. */
export type Listen = { readonly socket: string } | { readonly hostname: string; readonly port: number };

export interface Listener extends AsyncDisposable {
  /** `http://127.0.0.1:8000`, or the socket's path. */
  readonly address: string;
}

/** How long answers may still take when the end has come. */
const lastWordsMs = 500;

/** Serves HTTP until it is disposed; what is being answered then gets a moment to end. */
export async function listen(
  to: Listen,
  { handler, clock }: { handler: (request: Request) => Promise<Response>; clock: Clock },
): Promise<Listener> {
  const stop = async (server: { stop(isAbrupt?: boolean): Promise<void> }) => {
    const stopped = new AbortController();
    const late = clock.sleep(lastWordsMs, stopped.signal).catch(() => {});
    await Promise.race([server.stop(), late]);
    stopped.abort();
    await server.stop(true);
  };
  // Bun ends what is silent for 10 s, on Unix sockets too, where its types do not know the option.
  const patience: object = { idleTimeout: 0 };
  const options = {
    ...patience,
    development: false,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // A `Host` may be anything, and stands in the address.
    fetch: (request: Request) =>
      !URL.canParse(request.url)
        ? detail(400, "Invalid HTTP request received.")
        : handler(request).catch((error: unknown) => detail(500, `Internal error: ${reasonOf(error)}`)),
  };
  try {
    if (!("socket" in to)) {
      // Without `development` Bun lets a second server of this user have the same port, and each some of the requests.
      const server = Bun.serve({ ...options, hostname: to.hostname, port: to.port, reusePort: false });
      const host = to.hostname.includes(":") ? `[${to.hostname}]` : to.hostname;
      return { address: `http://${host}:${server.port}`, [Symbol.asyncDispose]: () => stop(server) };
    }
    await removeDeadSocket(to.socket);
    const server = Bun.serve({ ...options, unix: to.socket });
    chmodSync(to.socket, 0o600);
    return {
      address: to.socket,
      async [Symbol.asyncDispose]() {
        await stop(server);
        rmSync(to.socket, { force: true });
      },
    };
  } catch (error) {
    const place = "socket" in to ? `the socket \`${to.socket}\`` : `port ${to.port} of ${to.hostname}`;
    const why = systemCode(error) === "EADDRINUSE" ? "another program listens there" : reasonOf(error);
    throw new GpuError(`cannot serve on ${place}: ${why}`, {
      hint: "name another one, or 0 for any free port",
      cause: error,
    });
  }
}

/** A socket that nobody answers is what a killed server left behind; one that is answered is not taken away. */
async function removeDeadSocket(path: string): Promise<void> {
  const isAnswered = await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (isAnswered) throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  rmSync(path, { force: true });
}
