import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { connectInstance } from "../rent/connect.ts";
import { oneLaunch } from "../rent/fleet.ts";
import { isOpen } from "../rent/rows.ts";

/** Where the CI server of an instance answers here, and its key. */
export interface InstanceServer {
  readonly server: string;
  readonly apiKey: string;
  /** Fires when there is no such instance any more. */
  readonly gone: AbortSignal;
  close(): Promise<void>;
}

/** Opens a tunnel to the CI server that runs on an instance. */
export async function openInstanceServer(context: Context, selector: string): Promise<InstanceServer> {
  const { parseForward, resolveForward } = await import("../ssh/forward.ts");
  const { openTunnel } = await import("../ssh/tunnel.ts");
  const { GoneError } = await import("../ssh/reconnect.ts");
  const launch = await oneLaunch(context, selector);
  const apiKey = (await context.journal()).agentToken(launch.token);
  if (apiKey === undefined) {
    throw new GpuError(`\`${launch.instanceId ?? launch.token}\` has no agent, so it has no CI server`, {
      hint: "`--server` and `--api-key` name another one",
    });
  }
  const { facts } = await context.provider(launch.provider);
  const journal = await context.journal();
  const tunnel = await openTunnel({
    world: context.world,
    connect: (signal) => {
      const now = journal.launch(launch.token);
      if (now === undefined || !isOpen(now)) throw new GoneError(`\`${launch.instanceId ?? selector}\` was stopped`);
      return connectInstance(context.world, launch, signal);
    },
    forwards: [resolveForward(parseForward("0:ci"), facts.services)],
    signal: context.signal,
  });
  const gone = new AbortController();
  void tunnel.closed.then((error) => error && gone.abort(error));
  const [forward] = tunnel.status().forwards;
  const server = `http://127.0.0.1:${forward?.localPort}`;
  return { server, apiKey, gone: gone.signal, close: () => tunnel.close() };
}
