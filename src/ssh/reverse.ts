import { GpuError, messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { SshError } from "./failure.ts";
import type { ReverseForward } from "./forward.ts";
import type { Link } from "./link.ts";
import type { RemoteConnection } from "./remote-ports.ts";
import type { TunnelEvent } from "./tunnel.ts";

/** Ports of the remote that lead here. */
export interface ReversePorts {
  /** Binds them over a session: over the first one all or none; over a later one as soon as the remote lets go of them. */
  bind(link: Link): Promise<void>;
  /** With the ports that the remote chose. */
  readonly routes: readonly ReverseForward[];
  /** Why some are not bound just now. */
  readonly reason: string | undefined;
}

interface Options {
  readonly world: Pick<World, "clock">;
  readonly routes: readonly ReverseForward[];
  readonly signal: AbortSignal;
  readonly onEvent: ((event: TunnelEvent) => void) | undefined;
  serve(connection: RemoteConnection, route: ReverseForward, link: Link): void;
}

/** Between two tries to bind what the remote still holds for the session before. */
const retryMs = [100, 250, 500, 1000, 2000] as const;

interface RemotePort {
  route: ReverseForward;
  /** Why it is not bound. */
  reason: string | undefined;
}

export function reversePorts({ world: { clock }, routes, signal, onEvent, serve }: Options): ReversePorts {
  const ports: RemotePort[] = routes.map((route) => ({ route, reason: undefined }));
  let isFirst = true;

  const bindOne = async (port: RemotePort, link: Link) => {
    const { route } = port;
    const at = { host: route.remoteHost, port: route.remotePort };
    const remotePort = await link.session.listen(at, (connection) => serve(connection, route, link));
    // What the remote chose once is asked for from then on: somebody has been told of it.
    port.route = { ...route, remotePort };
  };
  const bindAgain = async (port: RemotePort, link: Link) => {
    for (let attempt = 0; link.end === undefined && !signal.aborted; attempt++) {
      try {
        await bindOne(port, link);
        if (port.reason !== undefined) onEvent?.({ type: "bound", route: port.route });
        port.reason = undefined;
        return;
      } catch (error) {
        if (link.end !== undefined) return;
        const failure = bindFailure(port.route, link, error);
        if (port.reason === undefined) onEvent?.({ type: "unbound", route: port.route, error: failure });
        port.reason = failure.message;
        await clock.sleep(retryMs[Math.min(attempt, retryMs.length - 1)] ?? 2000, signal).catch(() => {});
      }
    }
  };
  return {
    get routes() {
      return ports.map(({ route }) => route);
    },
    get reason() {
      return ports.find(({ reason }) => reason !== undefined)?.reason;
    },
    async bind(link) {
      if (!isFirst) return void await Promise.all(ports.map((port) => bindAgain(port, link)));
      for (const port of ports) {
        await bindOne(port, link).catch((error: unknown) => {
          throw bindFailure(port.route, link, error);
        });
      }
      isFirst = false;
    },
  };
}

function bindFailure({ remoteHost, remotePort }: ReverseForward, { session }: Link, error: unknown): Error {
  if (error instanceof SshError && error.reason !== "channel") return error;
  const at = remoteHost === "127.0.0.1" ? "" : ` of \`${remoteHost}\``;
  return new GpuError(`the port \`${remotePort}\`${at} cannot be bound on \`${session.address.host}\``, {
    hint: "something has it there, or its SSH server allows no reverse forwards; `0` lets it choose a port",
    cause: messageOf(error),
  });
}
