import { tokenAccess } from "../ci/server/access.ts";
import { jobEnvironment } from "../ci/runner/job-environment.ts";
import { listen, type Listener } from "../ci/server/listen.ts";
import { ciHandler } from "../ci/server/server.ts";
import { CiService } from "../ci/server/service.ts";
import { exitCodes, GpuError, messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { makeBunFolder } from "./bun-folder.ts";
import { daemonAnswer } from "./daemon.ts";
import { DetachedJobs } from "./detached-jobs.ts";
import { Gpus } from "./gpus.ts";
import { Lease } from "./lease.ts";
import { Models, type ModelUrls } from "./models.ts";
import { type EndThrough, readAgentOptions } from "./options.ts";
import { countSessions, type SshListener, tellSessions } from "./sessions.ts";
import type { Machine } from "./status.ts";
import { type End, type IdleRule, Watch } from "./watch.ts";

export interface AgentOptions {
  readonly world: World;
  /** A path may be relative to the current folder: an absolute one may be too long for a socket. */
  readonly socket?: string;
  /** On the loopback only; 0 takes any free one. */
  readonly port?: number;
  /** What a caller must present. */
  readonly token: string;
  readonly dataFolder: string;
  /** What it calls itself; the host's name when left out. */
  readonly instanceId?: string;
  /** Where the lease is kept; `begin`: what it is from now on. Times are milliseconds since 1970. */
  readonly lease?: {
    readonly path: string;
    readonly begin?: { leaseEndsAt: number; createdAt: number };
    readonly maxHours?: number;
  };
  readonly warnMs?: number;
  readonly idle?: IdleRule;
  /** `by-its-lease`: who reads the lease's file ends the machine with it. Absent: nothing here may end it. */
  readonly end?: End | "by-its-lease";
  /** Whether `end` is also for a lease that is over. */
  readonly holdsLease?: boolean;
  /** Where the machine's SSH server listens, once that is known. */
  readonly ssh?: () => Promise<SshListener | undefined>;
  /** Write warnings to the terminals of this computer: it is a machine of its own. */
  readonly tellsSessions?: boolean;
  readonly modelUrls?: ModelUrls;
}

/** The agent of a machine: CI server and status daemon on one listener. Disposing it stops its jobs. */
export async function startAgent(options: AgentOptions): Promise<Listener> {
  const { world, socket, port, token, dataFolder } = options;
  const environment = jobEnvironment(world.env);
  const service = new CiService({ world, dataFolder, environment, bunFolder: await makeBunFolder(world, dataFolder) });
  const ci = ciHandler({ world, service, access: tokenAccess(token) });
  const machine = await openMachine(options, service);
  const ended = new AbortController();
  try {
    const listener = await listen(
      socket === undefined ? { hostname: "127.0.0.1", port: port ?? 0 } : { socket },
      {
        handler: async (request) => await daemonAnswer(request, { ...machine, token }) ?? await ci(request),
        clock: world.clock,
      },
    );
    const watching = machine.watch.run(ended.signal);
    return {
      address: listener.address,
      async [Symbol.asyncDispose]() {
        ended.abort(new Error("the agent ends"));
        // In this order who follows a job still hears how it ended.
        await service.stopJobs();
        await listener[Symbol.asyncDispose]();
        await service[Symbol.asyncDispose]();
        await watching;
      },
    };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

async function openMachine(options: AgentOptions, service: CiService): Promise<Machine> {
  const { world, instanceId, warnMs, idle, holdsLease, tellsSessions = false, modelUrls } = options;
  const lease = options.lease && new Lease({ world, ...options.lease });
  if (options.lease?.begin) await lease?.begin(options.lease.begin);
  const gpus = new Gpus(world);
  const models = new Models(world, modelUrls);
  const watch = new Watch({
    world,
    lease,
    gpus,
    models,
    detached: new DetachedJobs(world),
    warnMs,
    idle,
    holdsLease,
    jobActivityMs: () => service.lastActivityMs,
    sessions: async () => {
      const ssh = await options.ssh?.();
      return ssh === undefined ? undefined : await countSessions(ssh);
    },
    tell: async (message) => {
      if (tellsSessions) await tellSessions(world, message);
    },
    end: options.end === "by-its-lease" ? endByLease(world, lease) : options.end,
    onLog: (line) => {
      const time = new Date(world.clock.now()).toISOString();
      void world.terminal.stderr.write(`${time} agent: ${line}\n`).catch(() => {});
    },
  });
  const jobsRunning = () => service.runningCount;
  return { world, instanceId, watch, gpus, models, lease, jobsRunning };
}

function endByLease({ clock }: World, lease: Lease | undefined): End | undefined {
  if (lease === undefined) return undefined;
  return async () => {
    await lease.moveTo(clock.now());
    return "accepted";
  };
}

/** Serves until the signal fires. */
export async function runAgent({ signal, ...options }: AgentOptions & { signal: AbortSignal }): Promise<void> {
  await using _agent = await startAgent(options);
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** The process of an agent, as machines start it and as it is started on a rented instance. Returns the exit code. */
export async function runAgentProcess(
  argv: readonly string[],
  world: World,
  { signal, endThrough }: { signal: AbortSignal; endThrough: EndThrough },
): Promise<number> {
  try {
    await runAgent({ signal, ...await readAgentOptions(argv, world, endThrough) });
    return exitCodes.done;
  } catch (error) {
    const hint = error instanceof GpuError && error.hint !== undefined ? `\n${error.hint}` : "";
    await world.terminal.stderr.write(`gpu agent: ${messageOf(error)}${hint}\n`);
    return error instanceof GpuError ? error.exitCode : exitCodes.bug;
  }
}
