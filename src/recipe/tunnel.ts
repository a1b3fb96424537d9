import type { Tunnel } from "../background/tunnel.ts";
import type { Context } from "../command.ts";
import { type TunnelHandle, tunnelHandle } from "./tunnel-handle.ts";

/** The handle of a tunnel that the background process holds for a recipe: it ends with its scope. */
export async function tunnelHandleOf(tunnel: Tunnel, context: Context): Promise<TunnelHandle> {
  const { world } = context;
  const journal = await context.journal();
  const launch = journal.launches({ open: true }).find(({ instanceId }) => instanceId === tunnel.instance);
  const remoteOf = ({ remoteHost, remotePort }: Tunnel["forwards"][number]) =>
    remoteHost === "ci" ? "ci" : String(remotePort ?? "socks");
  const handle = tunnelHandle({
    forwards: tunnel.forwards.map((forward) => ({
      kind: forward.kind,
      localPort: forward.localPort,
      remote: remoteOf(forward),
    })),
    agentToken: launch && journal.agentToken(launch.token),
    // It is in the background already.
    keep: () => Promise.resolve(),
    async close() {
      const { stopTunnels } = await import("../background/tunnel-client.ts");
      await stopTunnels(world, { name: tunnel.name });
    },
  });
  const forwards = handle.forwards.map((forward, index) => ({ ...tunnel.forwards[index], ...forward }));
  return Object.defineProperty(handle, "forwards", { value: forwards, enumerable: true });
}
