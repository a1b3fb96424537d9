import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import type { Ask } from "./exec.ts";
import { SshError } from "./failure.ts";

/** A connection that was made to a port of the remote. One that is neither taken nor refused waits. */
export interface RemoteConnection {
  accept(): Duplex;
  refuse(): void;
}

/** Binds a port of the remote, 0: it chooses; resolves with the port. Its connections are served until the session ends. */
export type ListenRemotely = (
  at: { readonly host: string; readonly port: number },
  serve: (connection: RemoteConnection) => void,
) => Promise<number>;

interface Options {
  readonly client: Client;
  readonly ask: Ask;
  /** Sees to it that a stream whose session is lost ends with an error. */
  watch(stream: Duplex): void;
}

/** What a session needs to listen on the remote (RFC 4254, 7.1 and 7.2). */
export function remotePorts({ client, ask, watch }: Options): ListenRemotely {
  const served = new Map<string, (connection: RemoteConnection) => void>();
  let isHearing = false;
  const hear = () => {
    if (isHearing) return;
    isHearing = true;
    client.on("tcp connection", ({ destIP, destPort }, accept, refuse) => {
      const serve = served.get(`${destIP}:${destPort}`);
      if (!serve) return refuse();
      serve({
        accept() {
          const stream = accept();
          watch(stream);
          return stream;
        },
        refuse: () => refuse(),
      });
    });
  };
  return async ({ host, port }, serve) => {
    hear();
    const bound = await ask<number>((done, fail) =>
      client.forwardIn(host, port, (error, bound) => error ? fail(error) : done(bound))
    ).catch((error: unknown) => {
      if (error instanceof SshError) throw error;
      throw new SshError(`the remote does not let \`${host}:${port}\` be bound`, { reason: "channel", cause: error });
    });
    served.set(`${host}:${bound}`, serve);
    return bound;
  };
}
