import { readFile } from "node:fs/promises";
import { GpuError, messageOf, systemCode, UsageError } from "../errors.ts";
import { resolveForward } from "../ssh/forward.ts";
import { connect } from "../ssh/session.ts";
import { openTunnel, type Tunnel, type TunnelStatus } from "../ssh/tunnel.ts";
import type { World } from "../world.ts";
import type { TunnelFilter, TunnelReport, TunnelRequest } from "./protocol.ts";

/** The tunnels of one background process. */
export interface Tunnels {
  /** How many are open, or being opened. */
  heldCount(): number;
  /** Resolves when it stands. When `gone` fires before that, nobody would know of it, and it is not opened. */
  start(request: TunnelRequest, gone: AbortSignal): Promise<TunnelReport>;
  status(filter: TunnelFilter): TunnelReport[];
  /** Closes what fits, and returns the last of each. */
  stop(filter: TunnelFilter): Promise<TunnelReport[]>;
}

interface Entry {
  readonly request: TunnelRequest;
  readonly stopping: AbortController;
  tunnel?: Tunnel;
  /** Its last status and why it ended. */
  end?: { readonly status: TunnelStatus; readonly reason: string };
}

export interface TunnelsOptions {
  readonly world: Pick<World, "clock" | "dial" | "platform" | "random">;
  /** How long a tunnel whose instance does not answer tries again. */
  readonly giveUpAfterMs: number;
  /** Called when there may be less to hold. */
  readonly onChange: () => void;
  readonly log: (text: string) => void;
}

export function createTunnels({ world, giveUpAfterMs, onChange, log }: TunnelsOptions): Tunnels {
  const entries = new Map<string, Entry>();
  const remove = (entry: Entry) => {
    if (entries.get(entry.request.name) === entry) entries.delete(entry.request.name);
    onChange();
  };
  const matching = ({ name, instanceId }: TunnelFilter) =>
    [...entries.values()].filter(({ request }) =>
      (name === undefined || request.name === name) && (instanceId === undefined || request.instanceId === instanceId)
    );

  return {
    heldCount: () => [...entries.values()].filter(({ end }) => !end).length,
    async start(request, gone) {
      const { name, address, hostKey } = request;
      const known = entries.get(name);
      if (known && !known.end) {
        throw new UsageError(`a tunnel \`${name}\` is already open`, {
          hint: "`gpu tunnel status` shows it, `gpu tunnel stop` closes it",
        });
      }
      const entry: Entry = { request, stopping: new AbortController() };
      entries.set(name, entry);
      const stop = () => entry.stopping.abort(gone.reason);
      gone.addEventListener("abort", stop, { once: true });
      try {
        const privateKey = await readKey(request.privateKeyPath);
        const tunnel = await openTunnel({
          world,
          connect: (signal) => connect({ world, address, hostKey, privateKey, signal }),
          forwards: request.forwards.map((forward) => resolveForward(forward, request.services)),
          signal: entry.stopping.signal,
          giveUpAfterMs,
          onEvent: (event) => log(`${name}: ${event.type}${"error" in event ? `: ${event.error.message}` : ""}`),
        });
        entry.tunnel = tunnel;
        tunnel.closed.then((error) => {
          if (!error) return;
          entry.end = { status: tunnel.status(), reason: error.message };
          log(`${name}: ended: ${error.message}`);
          onChange();
        });
        log(`${name}: open`);
        return reportOf(entry, tunnel);
      } catch (error) {
        remove(entry);
        throw error;
      } finally {
        gone.removeEventListener("abort", stop);
      }
    },
    status: (filter) => matching(filter).flatMap((entry) => entry.tunnel ? [reportOf(entry, entry.tunnel)] : []),
    stop: (filter) =>
      Promise.all(
        matching(filter).map(async (entry) => {
          entry.stopping.abort(new GpuError(`the tunnel \`${entry.request.name}\` was stopped`));
          const reports = entry.tunnel ? [reportOf(entry, entry.tunnel)] : [];
          await entry.tunnel?.close();
          remove(entry);
          log(`${entry.request.name}: stopped`);
          return reports;
        }),
      ).then((reports) => reports.flat()),
  };
}

function reportOf({ request: { name, instanceId }, end }: Entry, tunnel: Tunnel): TunnelReport {
  const { latencyMs, reason, ...status } = end?.status ?? tunnel.status();
  return {
    name,
    instanceId,
    ...status,
    forwards: [...status.forwards],
    latencyMs: latencyMs ?? null,
    state: end ? "ended" : status.state,
    reason: end?.reason ?? reason ?? null,
  };
}

async function readKey(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = systemCode(error) === "ENOENT" ? "is not there" : `cannot be read: ${messageOf(error)}`;
    throw new GpuError(`the key \`${path}\` ${why}`, { cause: error });
  }
}
