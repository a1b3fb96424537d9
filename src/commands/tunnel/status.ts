import { z } from "zod";
import { Tunnel, tunnelRows } from "../../background/tunnel.ts";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "tunnel status",
  summary: "Show the tunnels that are open",
  effect: "read",
  examples: [
    { command: "gpu tunnel status", says: "what they carry and how they do" },
    { command: "gpu tunnel status --watch", says: "again every second, until Ctrl-C" },
  ],
  input: z.object({
    watch: z.boolean().default(false).meta({ short: "w", description: "show it again and again, until Ctrl-C" }),
  }),
  output: z.array(Tunnel),
  refreshMs: 1000,
  async run(_input, context) {
    const { tunnelStatus } = await import("../../background/tunnel-client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    const { noteEndingLeases } = await import("../../rent/lease-warning.ts");
    const reports = await tunnelStatus(context.world);
    const instanceIds = reports.flatMap(({ instanceId }) => instanceId ?? []);
    if (instanceIds.length > 0) await noteEndingLeases(context, { instanceIds });
    return reports.map(toTunnel);
  },
  view: (tunnels, options) => [
    {
      columns: ["name", "to", "state", "forward", "open", "in", "out", "lost", "latency", "since"],
      rows: tunnels.flatMap((tunnel) => tunnelRows(tunnel, options)),
      narrow: [{ column: "to" }, { column: "since" }, { column: "lost" }, { column: "latency" }, {
        column: "forward",
        min: 16,
      }, { column: "name", min: 12 }],
      empty: "no tunnel is open; `gpu tunnel start` opens one",
    },
    ...tunnels.flatMap(({ name, state, reason }) =>
      reason === null ? [] : [{ stderr: `${name} is ${state}: ${reason}` }]
    ),
  ],
});
