import { z } from "zod";
import type { TunnelReport } from "./protocol.ts";

/** A tunnel that the background process holds, as commands show it. */
export const Tunnel = z.object({
  name: z.string().describe("name it is stopped by"),
  instance: z.string().describe("id of the instance it leads to"),
  state: z.enum(["open", "reconnecting", "ended", "closed"])
    .describe("`ended`: given up, the reason says why; `closed`: it was stopped just now"),
  forwards: z.array(z.object({
    bind: z.string().describe("local address it listens on"),
    localPort: z.number().int().describe("local port"),
    remoteHost: z.string().describe("host it leads to, as the instance sees it"),
    remotePort: z.number().int().describe("port it leads to"),
  })).describe("what it forwards"),
  connections: z.number().int().describe("connections open now"),
  bytesIn: z.number().describe("bytes received from the instance"),
  bytesOut: z.number().describe("bytes sent to the instance"),
  reconnects: z.number().int().describe("how often its SSH connection was made anew"),
  latencyMs: z.number().nullable().describe("last probe through it and back, in milliseconds"),
  openedAt: z.iso.datetime().describe("when it was opened"),
  reason: z.string().nullable().describe("why it reconnects, or ended"),
});
export type Tunnel = z.output<typeof Tunnel>;

export function toTunnel({ instanceId, openedAt, ...report }: TunnelReport): Tunnel {
  return { ...report, instance: instanceId, openedAt: new Date(openedAt).toISOString() };
}

/** A line for each forward: `127.0.0.1:8000 → i-1:8000`. */
export function tunnelText({ instance, forwards }: Tunnel): string {
  return forwards.map(({ bind, localPort, remoteHost, remotePort }) => {
    const remote = remoteHost === "127.0.0.1" || remoteHost === "localhost"
      ? `${remotePort}`
      : `${remoteHost}:${remotePort}`;
    return `${bind}:${localPort} → ${instance}:${remote}`;
  }).join("\n");
}
