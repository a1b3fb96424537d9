import { z } from "zod";
import { Tunnel } from "../../background/tunnel.ts";
import type { TunnelReport } from "../../background/tunnel-protocol.ts";
import { type Context, defineCommand } from "../../command.ts";
import { NotFoundError, UsageError } from "../../errors.ts";

export default defineCommand({
  name: "tunnel stop",
  summary: "Close tunnels",
  description: "Without a name the only one that there is. Machines go on running.",
  effect: "write",
  examples: [
    { command: "gpu tunnel stop", says: "the only one" },
    { command: "gpu tunnel stop db model", says: "two of them, by name" },
    { command: "gpu tunnel stop --all", says: "all of them" },
  ],
  input: z.object({
    names: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "tunnel",
      description: "names of tunnels, or ids of instances they lead to",
    }),
    all: z.boolean().default(false).describe("all tunnels"),
  }),
  output: z.array(Tunnel),
  async run({ names, all }, context) {
    const { stopTunnels, tunnelStatus } = await import("../../background/tunnel-client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    const { world } = context;
    if (all && names.length > 0) throw new UsageError("`--all` means all tunnels, so no name goes with it");
    const stopped: TunnelReport[] = [];
    if (names.length === 0) {
      const open = await tunnelStatus(world);
      if (open.length > 1 && !all) {
        throw new UsageError(`several tunnels are open: ${open.map(({ name }) => `\`${name}\``).join(", ")}`, {
          hint: "name those that are meant, or say `--all`",
        });
      }
      stopped.push(...await stopTunnels(world));
    }
    for (const name of new Set(names)) {
      const found = await stopMeant(name, context);
      if (found.length === 0) {
        throw new NotFoundError(`there is no tunnel \`${name}\``, { hint: "`gpu tunnel status` lists them" });
      }
      stopped.push(...found);
    }
    return stopped.map((report) => ({ ...toTunnel(report), state: "closed" as const }));
  },
  view: (stopped) =>
    stopped.length === 0 ? { stderr: "no tunnel was open" } : stopped.map(({ name }) => `${name} is closed`),
});

/** By the tunnel's name, or all that lead to an instance, by whatever it is called. */
async function stopMeant(name: string, context: Context): Promise<TunnelReport[]> {
  const { stopTunnels } = await import("../../background/tunnel-client.ts");
  const { world } = context;
  const byName = await stopTunnels(world, { name });
  if (byName.length > 0) return byName;
  const { knownLaunch } = await import("../../rent/resolve.ts");
  const launch = knownLaunch(await context.journal(), name);
  return await stopTunnels(world, { instanceId: launch?.instanceId ?? name });
}
