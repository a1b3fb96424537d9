import { z } from "zod";
import { Tunnel } from "../../background/tunnel.ts";
import type { TunnelReport } from "../../background/protocol.ts";
import { type Context, defineCommand } from "../../command.ts";
import { NotFoundError } from "../../errors.ts";

export default defineCommand({
  name: "tunnel stop",
  summary: "Close tunnels",
  description: "Without a name all of them. Instances go on running.",
  effect: "write",
  examples: [{ command: "gpu tunnel stop", says: "all tunnels" }],
  input: z.object({
    name: z.string().optional().meta({
      positional: true,
      complete: "tunnel",
      description: "name of the tunnel, or id of its instance",
    }),
  }),
  output: z.array(Tunnel),
  async run({ name }, context) {
    const { toTunnel } = await import("../../background/tunnel.ts");
    const stopped = await stopMeant(name, context);
    if (name !== undefined && stopped.length === 0) {
      throw new NotFoundError(`there is no tunnel \`${name}\``, { hint: "`gpu tunnel status` lists them" });
    }
    return stopped.map((report) => ({ ...toTunnel(report), state: "closed" as const }));
  },
  view: (stopped) =>
    stopped.length === 0 ? { stderr: "no tunnel was open" } : stopped.map(({ name }) => `${name} is closed`),
});

/** By the tunnel's name, or all that lead to an instance, by whatever it is called. */
async function stopMeant(name: string | undefined, context: Context): Promise<TunnelReport[]> {
  const { stopTunnels } = await import("../../background/client.ts");
  const { world } = context;
  if (name === undefined) return await stopTunnels(world);
  const byName = await stopTunnels(world, { name });
  if (byName.length > 0) return byName;
  const { knownLaunch } = await import("../../rent/resolve.ts");
  const launch = knownLaunch(await context.journal(), name);
  return await stopTunnels(world, { instanceId: launch?.instanceId ?? name });
}
