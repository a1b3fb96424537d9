import { z } from "zod";
import { Tunnel } from "../../background/tunnel.ts";
import { defineCommand } from "../../command.ts";
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
  async run({ name }, { world }) {
    const { stopTunnels } = await import("../../background/client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    if (name === undefined) return (await stopTunnels(world)).map(toTunnel);
    const byName = await stopTunnels(world, { name });
    const stopped = byName.length > 0 ? byName : await stopTunnels(world, { instanceId: name });
    if (stopped.length > 0) return stopped.map(toTunnel);
    throw new NotFoundError(`there is no tunnel \`${name}\``, { hint: "`gpu tunnel status` lists them" });
  },
  view: (stopped) =>
    stopped.length === 0 ? { stderr: "no tunnel was open" } : stopped.map(({ name }) => `${name} is closed`),
});
