import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { InterruptedError } from "../errors.ts";
import type { World } from "../world.ts";
import type { ResolvedForward } from "./forward.ts";
import { listenAll } from "./listen.ts";
import type { Session } from "./session.ts";
import { type Links, supervise } from "./supervise.ts";

/** Local ports that lead to an instance, for as long as it is open. */
export interface Tunnel extends AsyncDisposable {
  status(): TunnelStatus;
  close(): Promise<void>;
  /** Resolves when it is over: `undefined` when it was closed from here, else why it was given up. */
  readonly closed: Promise<Error | undefined>;
}

export interface TunnelStatus {
  readonly forwards: readonly ResolvedForward[];
  readonly state: "open" | "reconnecting";
  /** Local connections that are open now. */
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
  | { readonly type: "lost"; readonly error: Error }
  | { readonly type: "retry"; readonly error: Error; readonly inMs: number }
  | { readonly type: "reconnected" }
  | { readonly type: "refused"; readonly forward: ResolvedForward; readonly error: Error };

export interface TunnelOptions {
  readonly world: Pick<World, "clock" | "platform">;
  connect(signal: AbortSignal): Promise<Session>;
  readonly forwards: readonly ResolvedForward[];
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TunnelEvent) => void;
  /** How long it tries to reconnect before it ends; without end when left out. */
  readonly giveUpAfterMs?: number;
  /** Between two probes; 10 s when left out. A probe without an answer for as long means that the session is dead. */
  readonly probeEveryMs?: number;
  /** How long a new connection waits for a session that is being reopened; 30 s when left out. */
  readonly waitMs?: number;
}

/** Binds the local ports, connects, and keeps both alive: ports stay bound while a lost session is opened again. */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { world, forwards, signal, onEvent } = options;
  signal?.throwIfAborted();
  const counters = { connections: 0, bytesIn: 0, bytesOut: 0 };
  const ending = new AbortController();
  const first = Promise.withResolvers<Links>();
  first.promise.catch(() => {});

  const serve = async (socket: Socket, forward: ResolvedForward) => {
    counters.connections++;
    socket.once("close", () => counters.connections--);
    socket.on("error", () => socket.destroy());
    try {
      const links = await first.promise;
      const stream = await links.open(
        (session) => session.openStream(forward.remoteHost, forward.remotePort),
        () => socket.destroyed,
      );
      join({ socket, stream, counters });
    } catch (error) {
      socket.resetAndDestroy();
      if (error instanceof Error) onEvent?.({ type: "refused", forward, error });
    }
  };
  const listeners = await listenAll(forwards, (socket, forward) => void serve(socket, forward), world);
  const stopListening = () => Promise.all(listeners.map((listener) => listener.close()));
  try {
    first.resolve(
      await supervise({ ...options, signal: AbortSignal.any([ending.signal, ...(signal ? [signal] : [])]) }),
    );
  } catch (error) {
    first.reject(error);
    await stopListening();
    throw error;
  }
  const links = await first.promise;
  const openedAt = world.clock.now();
  const closed = links.ended.then(async (error) => {
    await stopListening();
    return ending.signal.aborted || signal?.aborted ? undefined : error;
  });
  const close = async () => {
    ending.abort(new InterruptedError());
    await closed;
  };
  return {
    closed,
    close,
    status: () => ({ forwards: listeners.map(({ forward }) => forward), ...counters, ...links.status(), openedAt }),
    [Symbol.asyncDispose]: close,
  };
}

interface Joined {
  readonly socket: Socket;
  readonly stream: Duplex;
  readonly counters: { bytesIn: number; bytesOut: number };
}

/** Copies both ways, each direction ending by itself. What was cut is reset here too, so that nobody takes it for the end. */
function join({ socket, stream, counters }: Joined): void {
  if (socket.destroyed) {
    stream.destroy();
    return;
  }
  stream.on("error", () => socket.resetAndDestroy());
  // Bytes that arrived before this are still inside of the paused socket, so nothing is missed.
  socket.on("data", (chunk: Uint8Array) => void (counters.bytesOut += chunk.length));
  stream.on("data", (chunk: Uint8Array) => void (counters.bytesIn += chunk.length));
  socket.pipe(stream);
  stream.pipe(socket);
  socket.once("close", () => stream.destroy());
  // Closed both ways on the remote: what is still written here has nobody to read it.
  stream.once("close", () => socket.destroySoon());
}
