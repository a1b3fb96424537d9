import { answeringBackground, backgroundClient, type ClientWorld, type LookingWorld } from "./client.ts";
import { type PersonQuestion, UnansweredError } from "./question.ts";
import type { TunnelFilter, TunnelReport, TunnelRequest } from "./tunnel-protocol.ts";
import { forgetTunnel, lostTunnels } from "./tunnel-record.ts";

interface StartingTunnel {
  readonly signal?: AbortSignal;
  /** Puts a question to a person; what they say travels over the control socket and stays in memory. */
  readonly ask?: (question: PersonQuestion) => Promise<string>;
}

/** Opens a tunnel that outlives this process; one that is interrupted while it opens does not stay. */
export async function startTunnel(
  world: ClientWorld,
  request: TunnelRequest,
  { signal, ask }: StartingTunnel = {},
): Promise<TunnelReport> {
  using background = await backgroundClient(world, { signal });
  const stop = () => background[Symbol.dispose]();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const answers: Record<string, string> = {};
    for (;;) {
      try {
        return await background.startTunnel({ ...request, answers });
      } catch (error) {
        signal?.throwIfAborted();
        if (!ask || !(error instanceof UnansweredError)) throw error;
        answers[error.question.text] = await ask(error.question);
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The tunnels of this state folder, with those that were lost with the process that held them. */
export async function tunnelStatus(world: LookingWorld, filter: TunnelFilter = {}): Promise<TunnelReport[]> {
  // What opens or closes meanwhile is not lost: that was there before it was asked, and is there still.
  const before = new Set(lostTunnels(world, filter, () => false).map(({ name }) => name));
  using background = await answeringBackground(world);
  const held = await background?.tunnels(filter) ?? [];
  const isHeld = (name: string) => !before.has(name) || held.some((tunnel) => tunnel.name === name);
  return [...held, ...lostTunnels(world, filter, isHeld)];
}

/** Closes tunnels, and returns the last of each; those that were lost are forgotten. */
export async function stopTunnels(world: LookingWorld, filter: TunnelFilter = {}): Promise<TunnelReport[]> {
  using background = await answeringBackground(world);
  const stopped = await background?.stopTunnels(filter) ?? [];
  const lost = lostTunnels(world, filter, (name) => stopped.some((tunnel) => tunnel.name === name));
  for (const { name } of lost) forgetTunnel(world, name);
  return [...stopped, ...lost];
}
