import { GpuError, UsageError } from "../errors.ts";
import type { ReachingWorld } from "../hosts/reach.ts";
import { PortInUseError } from "../ssh/listen.ts";
import { openTunnel, type Tunnel, type TunnelStatus } from "../ssh/tunnel.ts";
import type { Locate } from "./locate.ts";
import { TunnelDiary, writeTunnelLog } from "./tunnel-log.ts";
import { tunnelLogin } from "./tunnel-login.ts";
import { forgetTunnel, recordTunnel } from "./tunnel-record.ts";
import { routesText } from "./tunnel-text.ts";
import type { TunnelFilter, TunnelReport, TunnelRequest } from "./tunnel-protocol.ts";

/** The tunnels of one background process. */
export interface Tunnels {
  /** How many are open, or being opened. */
  heldCount(): number;
  /** Resolves when it stands. When `gone` fires before that, nobody would know of it, and it is not opened. */
  start(request: TunnelRequest, gone: AbortSignal): Promise<TunnelReport>;
  status(filter: TunnelFilter): TunnelReport[];
  /** Closes what fits, and returns the last of each. */
  stop(filter: TunnelFilter): Promise<TunnelReport[]>;
  /** Closes all of them because this process ends: they are shown as lost. */
  abandon(): Promise<void>;
}

interface Entry {
  readonly request: TunnelRequest;
  readonly stopping: AbortController;
  tunnel?: Tunnel;
  /** Its last status and why it ended. */
  end?: { readonly status: TunnelStatus; readonly reason: string };
}

export interface TunnelsOptions {
  readonly world: ReachingWorld;
  /** How long a tunnel whose machine does not answer tries again. */
  readonly giveUpAfterMs: number;
  /** Called when there may be less to hold. */
  readonly onChange: () => void;
  readonly log: (text: string) => void;
  /** Where instances are now; without it they are where they were. */
  readonly locate?: Locate;
}

export function createTunnels({ world, giveUpAfterMs, onChange, log, locate }: TunnelsOptions): Tunnels {
  const entries = new Map<string, Entry>();
  const remove = (entry: Entry) => {
    if (entries.get(entry.request.name) === entry) entries.delete(entry.request.name);
    onChange();
  };
  const matching = (filter: TunnelFilter) =>
    [...entries.values()].filter(({ request }) =>
      (filter.name === undefined || request.name === filter.name) &&
      (filter.instanceId === undefined || instanceIdOf(request) === filter.instanceId)
    );
  const writer = (tunnel: string) => (event: string, message: string) => {
    log(`${tunnel}: ${event}: ${message}`);
    writeTunnelLog(world, { tunnel, event, message });
  };
  /** Says whose port it is, where it is one of ours. */
  const named = (error: unknown): unknown => {
    if (!(error instanceof PortInUseError)) return error;
    const { localPort } = error.route;
    const ours = [...entries.values()].find(({ tunnel, end }) =>
      !end && tunnel?.status().forwards.some((route) => route.kind !== "reverse" && route.localPort === localPort)
    );
    if (!ours) return error;
    const { name } = ours.request;
    return new GpuError(`the local port \`${localPort}\` belongs to the tunnel \`${name}\``, {
      hint: `${error.hint}; \`gpu tunnel stop ${name}\` closes that one`,
    });
  };

  return {
    heldCount: () => [...entries.values()].filter(({ end }) => !end).length,
    async start(request, gone) {
      const { name, to, routes, answers = {} } = request;
      const known = entries.get(name);
      if (known && !known.end) {
        throw new UsageError(`a tunnel \`${name}\` is already open`, {
          hint: "`gpu tunnel status` shows it, `gpu tunnel stop` closes it, `--name` gives this one another name",
        });
      }
      const entry: Entry = { request, stopping: new AbortController() };
      entries.set(name, entry);
      const stop = () => entry.stopping.abort(gone.reason);
      gone.addEventListener("abort", stop, { once: true });
      const write = writer(name);
      const diary = new TunnelDiary(write);
      try {
        const tunnel = await openTunnel({
          world,
          connect: tunnelLogin({ world, to, answers, locate, note: (text) => write("note", text) }),
          forwards: routes,
          signal: entry.stopping.signal,
          giveUpAfterMs,
          onEvent: (event) => diary.tell(event),
        });
        entry.tunnel = tunnel;
        tunnel.closed.then((error) => {
          if (!error) return;
          entry.end = { status: tunnel.status(), reason: error.message };
          forgetTunnel(world, name);
          write("ended", error.message);
          onChange();
        });
        const report = reportOf(entry, tunnel);
        recordTunnel(world, report, request.reach ?? [report.target]);
        write("open", routesText(report).join(", "));
        return report;
      } catch (error) {
        remove(entry);
        throw named(error);
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
          forgetTunnel(world, entry.request.name);
          writer(entry.request.name)("stopped", "it was told to");
          return reports;
        }),
      ).then((reports) => reports.flat()),
    async abandon() {
      await Promise.all([...entries.values()].map(async (entry) => {
        entry.stopping.abort(new GpuError("the background process ends"));
        await entry.tunnel?.close();
        writer(entry.request.name)("lost", "the background process was ended");
      }));
      entries.clear();
    },
  };
}

function instanceIdOf({ to }: TunnelRequest): string | null {
  return to.kind === "instance" ? to.instanceId : null;
}

function reportOf({ request, end }: Entry, tunnel: Tunnel): TunnelReport {
  const { latencyMs, reason, ...status } = end?.status ?? tunnel.status();
  return {
    name: request.name,
    instanceId: instanceIdOf(request),
    target: request.to.kind === "instance" ? request.to.instanceId : request.to.name,
    ...status,
    forwards: [...status.forwards],
    latencyMs: latencyMs ?? null,
    state: end ? "ended" : status.state,
    reason: end?.reason ?? reason ?? null,
  };
}
