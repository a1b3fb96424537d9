import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import type { Connection, ServerChannel } from "ssh2";

/** A name and port that clients may forward to, and what is really there. */
export interface Service {
  readonly host: string;
  readonly port: number;
  readonly to: Target;
}

export type Target = { readonly path: string } | { readonly host: string; readonly port: number };

interface Forwarding {
  readonly connection: Connection;
  readonly services: readonly Service[];
  readonly log: (line: string) => void;
}

/** Serves `-L` to addresses, services and Unix sockets, and `-R` on the loopback. */
export function forwardConnections({ connection, services, log }: Forwarding): void {
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    const service = services.find(({ host, port }) => host === destIP && port === destPort);
    open({ connection, target: service?.to ?? { host: destIP, port: destPort }, accept, reject, log });
  });
  connection.on("openssh.streamlocal", (accept, reject, { socketPath }) => {
    open({ connection, target: { path: socketPath }, accept, reject, log });
  });
  forwardBack({ connection, log });
}

interface Opening {
  readonly connection: Connection;
  readonly target: Target;
  readonly accept: () => ServerChannel;
  readonly reject: () => void;
  readonly log: (line: string) => void;
}

/** The channel is accepted once the target has answered, so that a client can tell a closed port from a silent one. */
function open({ connection, target, accept, reject, log }: Opening): void {
  const socket = connect({ ...target, allowHalfOpen: true });
  const refuse = (error: Error) => {
    log(`forward to ${"path" in target ? target.path : `${target.host}:${target.port}`}: ${error.message}`);
    reject();
  };
  const abandon = () => socket.destroy();
  connection.once("close", abandon);
  socket.once("close", () => connection.off("close", abandon));
  socket.once("error", refuse);
  socket.once("connect", () => {
    socket.off("error", refuse);
    join({ socket, channel: accept() });
  });
}

/** Both directions, each ending on its own: a channel that is ended the usual way would close at once. */
function join({ socket, channel }: { socket: Socket; channel: ServerChannel }): void {
  socket.setNoDelay(true);
  socket.on("error", () => channel.close());
  channel.on("error", () => socket.destroy());
  channel.pipe(socket);
  socket.pipe(channel, { end: false });
  // Behind what still waits for the client's window, or it would be dropped.
  socket.on("end", () => channel.write(new Uint8Array(0), () => channel.eof()));
  socket.on("close", () => channel.end());
}

/** Ports that the client wants served here; on the loopback only, whatever address it asks for. */
function forwardBack({ connection, log }: Pick<Forwarding, "connection" | "log">): void {
  const servers = new Map<string, Server>();
  connection.on("close", () => {
    for (const server of servers.values()) server.close();
  });
  connection.on("request", (accept, reject, name, info) => {
    if (!("bindPort" in info)) return reject?.();
    const { bindAddr, bindPort } = info;
    if (name === "cancel-tcpip-forward") {
      const key = `${bindAddr}:${bindPort}`;
      servers.get(key)?.close();
      return servers.delete(key) ? accept?.() : reject?.();
    }
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const { remoteAddress = "127.0.0.1", remotePort = 0 } = socket;
      const port = portOf(server) ?? bindPort;
      socket.on("error", () => {});
      connection.once("close", () => socket.destroy());
      connection.forwardOut(bindAddr, port, remoteAddress, remotePort, (error, channel) => {
        if (error) socket.destroy();
        else join({ socket, channel });
      });
    });
    server.once("error", (error) => {
      log(`forward from ${bindPort}: ${error.message}`);
      reject?.();
    });
    server.listen(bindPort, "127.0.0.1", () => {
      const port = portOf(server) ?? bindPort;
      servers.set(`${bindAddr}:${port}`, server);
      accept?.(port);
    });
  });
}

function portOf(server: Server): number | undefined {
  const address = server.address();
  return address === null || typeof address === "string" ? undefined : address.port;
}
