import { z } from "zod";
import { spanText } from "../duration.ts";
import { isLoopback, type Route } from "../ssh/forward.ts";
import { routeCell, routesText } from "./tunnel-text.ts";
import type { TunnelReport } from "./tunnel-protocol.ts";

/** A tunnel that the background process holds, as commands show it. */
export const Tunnel = z.object({
  name: z.string().describe("name it is stopped by"),
  target: z.string().describe("what it leads to: id of an instance, or name of a host"),
  instance: z.string().nullable().describe("id of the instance it leads to, null where that is a host"),
  state: z.enum(["open", "reconnecting", "ended", "lost", "closed"])
    .describe(
      "`ended`: given up, the reason says why; `lost`: the process that held it is gone, the reason says how it comes again; `closed`: it was stopped just now",
    ),
  forwards: z.array(z.object({
    kind: z.enum(["local", "reverse", "socks"])
      .describe("`local`: from here to there; `reverse`: from there to here; `socks`: from here to where each asks"),
    bind: z.string().describe("local address it listens on; of `reverse`, the one it leads to"),
    localPort: z.number().int().describe("local port"),
    remoteHost: z.string().nullable()
      .describe("host it leads to, as the other side sees it; of `reverse`, what is bound there"),
    remotePort: z.number().int().nullable().describe("port on the other side"),
  })).describe("what it forwards"),
  connections: z.number().int().describe("connections open now"),
  bytesIn: z.number().describe("bytes received from the other side"),
  bytesOut: z.number().describe("bytes sent to the other side"),
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
export function tunnelText({ target, forwards }: Tunnel): string {
  return routesText({ target, forwards: forwards.flatMap(routeOf) }).join("\n");
}

/** Says which ports others can reach, too. */
export function openness({ target, forwards }: Tunnel): string[] {
  return forwards.flatMap(({ kind, bind, localPort, remoteHost, remotePort }) => {
    if (kind !== "reverse") {
      return isLoopback(bind) ? [] : [`the port ${localPort} here is open to whoever reaches this computer`];
    }
    if (remoteHost === null || isLoopback(remoteHost)) return [];
    return [`the port ${remotePort} of ${target} is open to whoever reaches it, where its SSH server allows that`];
  });
}

/** Its ways, told apart by their kind. */
export function routeOf({ kind, bind, localPort, remoteHost, remotePort }: Tunnel["forwards"][number]): Route[] {
  if (kind === "socks") return [{ kind, bind, localPort, remoteHost: null, remotePort: null }];
  return remoteHost === null || remotePort === null ? [] : [{ kind, bind, localPort, remoteHost, remotePort }];
}

/** Its rows in a table: one for each way, and what it is as a whole in the first. A program finds the name in each. */
export function tunnelRows(
  tunnel: Tunnel,
  { now, isTTY }: { readonly now: number; readonly isTTY: boolean },
): string[][] {
  const { name, target, state, connections, bytesIn, bytesOut, reconnects, latencyMs, openedAt, forwards } = tunnel;
  const latency = latencyMs === null ? "-" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`;
  const [first = "", ...others] = forwards.flatMap(routeOf).map(routeCell);
  return [
    [
      ...[name, target, state, first, String(connections), bytesText(bytesIn), bytesText(bytesOut)],
      ...[String(reconnects), latency, spanText(now - Date.parse(openedAt))],
    ],
    ...others.map((cell) => [...(isTTY ? ["", "", ""] : [name, target, state]), cell]),
  ];
}

/** `999 B`, `1.2 MB`, `34 GB`: powers of a thousand, never more than six cells. */
function bytesText(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const amount = bytes / 1000 ** power;
  return `${power > 0 && amount < 9.95 ? amount.toFixed(1) : Math.floor(amount)} ${
    ["B", "kB", "MB", "GB", "TB"][power]
  }`;
}
