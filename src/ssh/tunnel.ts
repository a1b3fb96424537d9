import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { InterruptedError } from "../errors.ts";
import type { World } from "../world.ts";
import { SshError } from "./failure.ts";
import type { LocalRoute, ReverseForward, Route } from "./forward.ts";
import type { Link } from "./link.ts";
import { listenAll } from "./listen.ts";
import { relay, type Traffic } from "./relay.ts";
import type { RemoteConnection } from "./remote-ports.ts";
import { reversePorts } from "./reverse.ts";
import type { Session } from "./session.ts";
import { endWith, readSocksRequest, socksAnswer, type SocksOutcome, type SocksRequest } from "./socks.ts";
import { type Links, supervise } from "./supervise.ts";
import type { Watchfulness } from "./watchfulness.ts";

/** Ports that lead to another machine, or from there to here, for as long as it is open. */
export interface Tunnel extends AsyncDisposable {
  status(): TunnelStatus;
  close(): Promise<void>;
  /** Resolves when it is over: `undefined` when it was closed from here, else why it was given up. */
  readonly closed: Promise<Error | undefined>;
}

export interface TunnelStatus {
  readonly forwards: readonly Route[];
  /** `reconnecting`: its session is lost or does not answer, or a port of the remote is not bound again yet. */
  readonly state: "open" | "reconnecting";
  /** Connections through it that are open now. */
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reconnects: number;
  /** Of the last probe through the session. */
  readonly latencyMs: number | undefined;
  /** Milliseconds since 1970. */
  readonly openedAt: number;
  /** Why it reconnects. */
  readonly reason: string | undefined;
}

export type TunnelEvent =
  | { readonly type: "lost" | "silent"; readonly error: Error }
  | { readonly type: "retry"; readonly error: Error; readonly inMs: number }
  /** `answers`: the session that was silent goes on. */
  | { readonly type: "reconnected" | "answers"; readonly afterMs: number }
  | { readonly type: "unbound" | "refused"; readonly route: Route; readonly error: Error }
  | { readonly type: "bound"; readonly route: Route };

export interface TunnelOptions extends Watchfulness {
  readonly world: Pick<World, "clock" | "dial" | "platform">;
  connect(signal: AbortSignal): Promise<Session>;
  readonly forwards: readonly Route[];
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TunnelEvent) => void;
  /** How long it tries to reconnect before it ends; without end when left out. */
  readonly giveUpAfterMs?: number;
  /** How long a new connection waits for a session that is being reopened; 30 s when left out. */
  readonly waitMs?: number;
}

/** Binds the ports, connects, and keeps both alive: local ports stay bound while a lost session is opened again. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { world, forwards, onEvent } = options;
  options.signal?.throwIfAborted();
  const traffic: Traffic & { connections: number } = { connections: 0, bytesIn: 0, bytesOut: 0 };
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([ending.signal, options.signal]) : ending.signal;
  const first = Promise.withResolvers<Links>();
  first.promise.catch(() => {});

  const count = (socket: Socket) => {
    traffic.connections++;
    socket.once("close", () => traffic.connections--);
    socket.on("error", () => socket.destroy());
  };
  const lead = async (socket: Socket, { host, port }: { host: string; port: number }) => {
    const links = await first.promise;
    return await links.open({
      attempt: async (link): Promise<Way> => ({ link, stream: await link.open(host, port) }),
      isUnwanted: () => socket.destroyed,
      discard: ({ stream }) => void stream.destroy(),
    });
  };
  const join = (socket: Socket, { link, stream }: Way) => {
    const stay = link.enter();
    stream.once("close", () => stay[Symbol.dispose]());
    relay({ socket, stream, traffic, onHeard: () => link.heard(), isMoreExpected: () => link.openings > 0 });
  };
  const serve = async (socket: Socket, route: LocalRoute) => {
    count(socket);
    let request: SocksRequest | undefined;
    try {
      if (route.kind === "local") {
        return join(socket, await lead(socket, { host: route.remoteHost, port: route.remotePort }));
      }
      request = await readSocksRequest(socket);
      if (!request) return;
      const way = await lead(socket, request);
      socket.write(socksAnswer(request.version, "open"));
      join(socket, way);
    } catch (error) {
      if (request) endWith(socket, socksAnswer(request.version, outcomeOf(error)));
      else socket.resetAndDestroy();
      if (error instanceof Error) onEvent?.({ type: "refused", route, error });
    }
  };
  const serveBack = async (connection: RemoteConnection, route: ReverseForward, link: Link) => {
    let socket: Socket | undefined;
    try {
      socket = await world.dial({ host: route.bind, port: route.localPort, signal, allowHalfOpen: true });
      count(socket);
      join(socket, { link, stream: connection.accept() });
    } catch (error) {
      if (socket) socket.destroy();
      else connection.refuse();
      if (error instanceof Error) onEvent?.({ type: "refused", route, error });
    }
  };

  const local = forwards.filter((route) => route.kind !== "reverse");
  const listeners = await listenAll(local, (socket, route) => void serve(socket, route), world);
  const stopListening = () => Promise.all(listeners.map((listener) => listener.close()));
  const reverse = reversePorts({
    world,
    signal,
    onEvent,
    routes: forwards.filter((route) => route.kind === "reverse"),
    serve: (connection, route, link) => void serveBack(connection, route, link),
  });
  const links = await supervise({ ...options, signal, prepare: (link) => reverse.bind(link) }).catch(async (error) => {
    first.reject(error);
    await stopListening();
    throw error;
  });
  first.resolve(links);
  const openedAt = world.clock.now();
  const closed = links.ended.then(async (error) => {
    await stopListening();
    return signal.aborted ? undefined : error;
  });
  const close = async () => {
    ending.abort(new InterruptedError());
    await closed;
  };
  return {
    closed,
    close,
    status() {
      const { state, reason, ...counted } = links.status();
      return {
        // In the order they were asked for.
        forwards: inOrder(forwards, [...listeners.map(({ route }) => route), ...reverse.routes]),
        state: reverse.reason === undefined ? state : "reconnecting",
        ...traffic,
        ...counted,
        openedAt,
        reason: reason ?? reverse.reason,
      };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** A stream, and the session it goes through. */
interface Way {
  readonly link: Link;
  readonly stream: Duplex;
}

function inOrder(wanted: readonly Route[], routes: readonly Route[]): Route[] {
  const left = [...routes];
  return wanted.flatMap(({ kind }) => left.splice(left.findIndex((route) => route.kind === kind), 1));
}

/** Why a connection through SOCKS cannot be made, in its words. */
function outcomeOf(error: unknown): SocksOutcome {
  if (!(error instanceof SshError) || error.reason !== "channel") return "failed";
  if (/prohibited/i.test(error.message)) return "forbidden";
  return /refused/i.test(error.message) ? "refused" : "unreachable";
}
