import { startTunnel } from "../background/tunnel-client.ts";
import { instanceDestination } from "../background/destination.ts";
import type { Context } from "../command.ts";
import { connectInstance } from "../rent/connect.ts";
import type { Launch } from "../rent/rows.ts";
import { parseForward, parseReverse, parseSocks, resolveForward, type Route } from "../ssh/forward.ts";
import { openTunnel } from "../ssh/tunnel.ts";
import type { TunnelOptions, TunnelParts } from "./tunnel-handle.ts";

interface Opening {
  readonly options: TunnelOptions;
  readonly signal: AbortSignal | undefined;
}

/** Opens a tunnel to a rented instance in this process. */
export async function openBoxTunnel(
  context: Context,
  launch: Launch,
  { options, signal }: Opening,
): Promise<TunnelParts> {
  const { world } = context;
  const { facts } = await context.provider(launch.provider);
  const { reverse = [], socks = [] } = options;
  const forward = (options.forward ?? (reverse.length + socks.length > 0 ? [] : ["0:ci"])).map(parseForward);
  const wanted: Route[] = [
    ...forward.map((each) => resolveForward(each, facts.services)),
    ...reverse.map(parseReverse),
    ...socks.map(parseSocks),
  ];
  const tunnel = await openTunnel({
    world,
    connect: (attempt) => connectInstance(world, launch, attempt),
    forwards: wanted,
    signal,
  });
  const routes = tunnel.status().forwards;
  return {
    forwards: routes.map(({ kind, localPort, remotePort }, index) => {
      const to = forward[index]?.to;
      return { kind, localPort, remote: to && "service" in to ? to.service : String(remotePort ?? "socks") };
    }),
    agentToken: (await context.journal()).agentToken(launch.token),
    async keep() {
      // Two processes cannot hold one port.
      await tunnel.close();
      const name = `${launch.name ?? launch.instanceId}-${routes[0]?.localPort}`;
      const to = await instanceDestination(world, launch);
      await startTunnel(world, { name, to, routes: [...routes] }, { signal });
    },
    close: () => tunnel.close(),
  };
}
