import net from "node:net";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import type { World } from "../world.ts";
import type { LocalRoute, ResolvedForward } from "./forward.ts";
import { findPortHolder } from "./portholder.ts";

/** A local port that is bound, and the connections made to it. */
export interface Listener {
  /** With the port that it has. */
  readonly route: LocalRoute;
  close(): Promise<void>;
}

/** A local port is taken already. */
export class PortInUseError extends GpuError {
  override name = "PortInUseError";
  readonly route: LocalRoute;

  constructor(message: string, { route, cause }: { route: LocalRoute; cause: unknown }) {
    const flag = route.kind === "socks" ? "--socks 0" : `--forward 0:${farEnd(route)}`;
    super(message, { hint: `\`${flag}\` takes any local port that is free`, cause });
    this.route = route;
  }
}

function farEnd({ remoteHost, remotePort }: ResolvedForward): string {
  if (remoteHost === "localhost") return `${remotePort}`;
  return `${remoteHost.includes(":") ? `[${remoteHost}]` : remoteHost}:${remotePort}`;
}

/** Binds all of the ports, or none of them. */
export async function listenAll(
  routes: readonly LocalRoute[],
  onConnection: (socket: net.Socket, route: LocalRoute) => void,
  world: Pick<World, "platform">,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  try {
    for (const route of routes) listeners.push(await listen(route, onConnection, world));
    return listeners;
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    throw error;
  }
}

async function listen(
  wanted: LocalRoute,
  onConnection: (socket: net.Socket, route: LocalRoute) => void,
  world: Pick<World, "platform">,
): Promise<Listener> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  const bound = Promise.withResolvers<void>();
  server.once("listening", bound.resolve);
  server.once("error", bound.reject);
  server.listen({ host: wanted.bind, port: wanted.localPort });
  await bound.promise.catch(async (error: unknown) => {
    throw await bindFailure(error, wanted, world);
  });
  const address = server.address();
  const localPort = typeof address === "object" && address ? address.port : wanted.localPort;
  const route = { ...wanted, localPort };
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    onConnection(socket, route);
  });
  return {
    route,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function bindFailure(
  error: unknown,
  route: LocalRoute,
  world: Pick<World, "platform">,
): Promise<GpuError> {
  const { bind, localPort } = route;
  switch (systemCode(error)) {
    case "EADDRINUSE": {
      const holder = await findPortHolder(localPort, world).catch(() => undefined);
      const by = holder ? ` by \`${holder.name}\` (process ${holder.pid})` : "";
      return new PortInUseError(`the local port \`${localPort}\` is in use${by}`, { route, cause: error });
    }
    case "EACCES":
      return new GpuError(`the local port \`${localPort}\` may not be bound by this user`, {
        hint: "a port from 1024 up, or `0` for any that is free",
        cause: error,
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new GpuError(`\`${bind}\` is not an address of this computer`, { cause: error });
  }
  return new GpuError(`the local port \`${localPort}\` cannot be bound: ${messageOf(error)}`, { cause: error });
}
