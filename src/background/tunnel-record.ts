import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { quote } from "../quote.ts";
import type { Route } from "../ssh/forward.ts";
import type { World } from "../world.ts";
import { type TunnelFilter, TunnelReport } from "./tunnel-protocol.ts";

/*
 * What was open when its process was killed, or the computer went down, is told by a file for each tunnel: written when
 * it opens, removed when it is stopped. Nothing of it is secret.
 */

const TunnelRecord = z.object({
  report: TunnelReport,
  /** The command that opens it again. */
  again: z.string(),
});

type FoldersWorld = Pick<World, "folders">;

/** Writes down that it is open. A full disk ends no tunnel. `reach`: how its machine was named on the command line. */
export function recordTunnel(world: FoldersWorld, report: TunnelReport, reach: readonly string[]): void {
  const again = quote(["gpu", "tunnel", "start", ...reach, ...report.forwards.flatMap(flagOf), "--name", report.name]);
  const path = pathOf(world, report.name);
  try {
    mkdirSync(folderOf(world), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, JSON.stringify({ report, again }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // It is not found again then; nothing else depends on it.
  }
}

export function forgetTunnel(world: FoldersWorld, name: string): void {
  rmSync(pathOf(world, name), { force: true });
}

/** Those that were open when the process that held them ended without being told to. */
export function lostTunnels(
  world: FoldersWorld,
  filter: TunnelFilter,
  isHeld: (name: string) => boolean,
): TunnelReport[] {
  return recordsIn(folderOf(world)).flatMap(({ report, again }) => {
    const isMeant = (filter.name === undefined || filter.name === report.name) &&
      (filter.instanceId === undefined || filter.instanceId === report.instanceId);
    if (!isMeant || isHeld(report.name)) return [];
    const reason = `the process that held it is gone; \`${again}\` opens it again`;
    return [{ ...report, state: "lost" as const, connections: 0, latencyMs: null, reason }];
  });
}

function recordsIn(folder: string): z.output<typeof TunnelRecord>[] {
  return namesIn(folder).flatMap((name) => {
    try {
      const record = TunnelRecord.safeParse(JSON.parse(readFileSync(join(folder, name), "utf8")));
      return record.success ? [record.data] : [];
    } catch {
      return []; // It was removed meanwhile.
    }
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json")).toSorted();
  } catch {
    return []; // There was no tunnel yet.
  }
}

function folderOf({ folders }: FoldersWorld): string {
  return join(folders.state, "tunnels");
}

/** A name may hold anything. */
function pathOf(world: FoldersWorld, name: string): string {
  return join(folderOf(world), `${createHash("sha256").update(name).digest("hex").slice(0, 32)}.json`);
}

function flagOf(route: Route): string[] {
  const bracketed = (host: string) => host.includes(":") ? `[${host}]` : host;
  const bind = route.bind === "127.0.0.1" ? "" : `${bracketed(route.bind)}:`;
  if (route.kind === "socks") return ["--socks", `${bind}${route.localPort}`];
  const remote = route.remoteHost === "127.0.0.1" ? "" : `${bracketed(route.remoteHost)}:`;
  return route.kind === "local"
    ? ["--forward", `${bind}${route.localPort}:${remote}${route.remotePort}`]
    : ["--reverse", `${remote}${route.remotePort}:${bind}${route.localPort}`];
}
