import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Tunnel, tunnelText } from "../../background/tunnel.ts";

const instance = z.string().optional().meta({
  positional: true,
  complete: "instance",
  description: "id, unique beginning of an id, or name; may be left out where there is one",
});

export default defineCommand({
  name: "tunnel start",
  summary: "Forward local ports to an instance, in the background",
  description:
    "The tunnel goes on when this command has ended, and reconnects when its connection is lost; the local ports stay.\n" +
    "A forward is [bind:]local:[host:]remote. Local port 0 is any free one; remote `ci` or `agent` is the instance's own service.",
  effect: "write",
  examples: [
    { command: "gpu tunnel start --forward 8000:8000", says: "the model server of the only instance" },
    { command: "gpu tunnel start trainer --forward 0:ci", says: "its CI server, on any free port" },
  ],
  input: z.object({
    instance,
    forward: z.array(z.string()).optional().meta({
      short: "L",
      placeholder: "local:remote",
      description:
        "what to forward; the configuration's `tunnel.forwards` when left out, else 8000, 5678 and 8080:agent",
    }),
    name: z.string().min(1).max(100).optional().describe("name to stop it by; the instance's id when left out"),
  }),
  output: Tunnel,
  async run({ instance, forward, name }, context) {
    const { oneLaunch } = await import("../../rent/fleet.ts");
    const { addressOf } = await import("../../rent/connect.ts");
    const { clientKey } = await import("../../rent/key.ts");
    const { parseForward } = await import("../../ssh/forward.ts");
    const { startTunnel } = await import("../../background/client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    const forwards = (forward ?? (await context.config()).tunnel.forwards ?? ["8000:8000", "5678:5678", "8080:agent"])
      .map(parseForward);
    const launch = await oneLaunch(context, instance);
    const { facts } = await context.provider(launch.provider);
    const { world } = context;
    const instanceId = launch.instanceId ?? launch.token;
    context.progress(`opening a tunnel to ${instanceId}`);
    const report = await startTunnel(world, {
      name: name ?? instanceId,
      instanceId,
      address: addressOf(launch),
      hostKey: launch.hostPublicKey,
      privateKeyPath: (await clientKey(world)).path,
      forwards,
      services: facts.services,
    }, context.signal);
    return toTunnel(report);
  },
  view: (tunnel) => [
    tunnelText(tunnel),
    ...(tunnel.forwards.some(({ remotePort, remoteHost }) => remoteHost === "ci" || remotePort === 8080)
      ? [{ stderr: `\`gpu ci submit test --instance ${tunnel.instance}\` submits to its CI server, key included` }]
      : []),
  ],
});
