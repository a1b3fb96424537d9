import { z } from "zod";
import { Tunnel, tunnelText } from "../../background/tunnel.ts";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "tunnel status",
  summary: "Show the tunnels that are open",
  effect: "read",
  examples: [{ command: "gpu tunnel status", says: "bytes, connections, reconnects and latency of each" }],
  input: z.object({}),
  output: z.array(Tunnel),
  async run(_input, context) {
    const { tunnelStatus } = await import("../../background/client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    const { noteEndingLeases } = await import("../../rent/lease-warning.ts");
    const reports = await tunnelStatus(context.world);
    const instanceIds = reports.map(({ instanceId }) => instanceId);
    if (instanceIds.length > 0) await noteEndingLeases(context, { instanceIds });
    return reports.map(toTunnel);
  },
  view: (tunnels) => ({
    columns: ["name", "state", "forwards", "connections", "in", "out", "reconnects", "latency"],
    rows: tunnels.map((tunnel) => [
      tunnel.name,
      tunnel.reason === null ? tunnel.state : `${tunnel.state}: ${tunnel.reason}`,
      tunnelText(tunnel).replaceAll("\n", ", "),
      String(tunnel.connections),
      `${tunnel.bytesIn} B`,
      `${tunnel.bytesOut} B`,
      String(tunnel.reconnects),
      tunnel.latencyMs === null ? "-" : `${tunnel.latencyMs.toFixed(1)} ms`,
    ]),
    empty: "no tunnel is open; `gpu tunnel start` opens one",
  }),
});
