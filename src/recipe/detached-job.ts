import type { Context } from "../command.ts";
import type { Duration } from "../duration.ts";
import type { Job } from "../jobs/job.ts";
import { instanceTarget } from "../hosts/select.ts";
import type { Launch } from "../rent/rows.ts";
import type { Session } from "../ssh/session.ts";
import { derive } from "../surface/child.ts";
import { trackCall } from "./calls.ts";
import { findRun } from "./current.ts";

/** How a job is: as `gpu job list` shows it. */
export type DetachedJobState = Job;

/**
 * A command that goes on by itself on an instance, also when the connection or this computer is gone.
 *
 * ```ts
 * const job = await box.job("train", "python3 train.py", { cwd: "project" });
 * for await (const line of job.log()) console.log(line);
 * const { exitCode } = await job.wait();
 * ```
 */
export interface DetachedJob {
  /** `gpu job log <id>` shows it from anywhere. */
  readonly id: string;
  /** As it was given to `box.job`. */
  readonly name: string;
  /** The lines it prints, from the first one on and until it has ended; nothing is lost with a connection. */
  log(options?: JobLogOptions): AsyncIterable<string>;
  /** How it is now. */
  status(): Promise<DetachedJobState>;
  /**
   * Waits until what it serves is there: until `check` returns true. What `check` throws means not yet. Fails with the
   * last lines of the job where that ends before, and when the time is over.
   *
   * ```ts
   * const server = await box.job("serve", "vllm serve Qwen/Qwen3-8B");
   * await using tunnel = await box.tunnel({ forward: ["0:8000"] });
   * await server.ready(async (signal) => (await fetch(`${tunnel.url}/v1/models`, { signal })).ok, { timeout: "20m" });
   * ```
   */
  ready(check: (signal: AbortSignal) => boolean | Promise<boolean>, options?: JobReadyOptions): Promise<void>;
  /** Waits until it has ended. */
  wait(): Promise<DetachedJobState>;
  /** Ends it with all that it started: `TERM`, and `KILL` after ten seconds, or as you say. */
  stop(options?: { readonly signal?: string; readonly graceSeconds?: number }): Promise<DetachedJobState>;
}

/** Of `job.log`. */
export interface JobLogOptions {
  /** Go on until the job has ended; `true` when left out. */
  readonly follow?: boolean;
  /** Only so many last lines of what it has printed, of stdout and of stderr. */
  readonly tail?: number;
}

/** Of `job.ready`. */
export interface JobReadyOptions {
  /** How often it is looked; `"1s"` when left out. */
  readonly every?: Duration;
  /** How long it may take; `"10m"` when left out. */
  readonly timeout?: Duration;
}

export interface DetachedParts {
  readonly launch: Launch;
  /** The connection that all calls of the instance's handle share. */
  session(): Promise<Session>;
  readonly name: string;
  readonly command: string;
  /** Folder there that it runs in. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Starts a line of the shell there as a job. */
export async function startDetached(
  outer: Context,
  { launch, session, name, command, cwd, env }: DetachedParts,
): Promise<DetachedJob> {
  const { Reach } = await import("../jobs/reach.ts");
  const { startJob } = await import("../jobs/start.ts");
  const { buildCommand } = await import("../exec/request.ts");
  const contextNow = () => findRun()?.context ?? outer;
  const openReach = () =>
    new Reach(contextNow(), async () => {
      const shared = await session();
      return { exec: (line, options) => shared.exec(line, options), [Symbol.asyncDispose]: () => Promise.resolve() };
    }, { wasThere: true });
  const batch = Buffer.from(outer.world.random(6)).toString("hex");
  const job = await startJob(contextNow(), instanceTarget(launch), {
    ...{ name, batch, shown: command },
    ...buildCommand({ line: command, cwd, environment: env }),
    reach: openReach(),
  });
  const read = async function* ({ follow = true, tail }: JobLogOptions = {}, signal = contextNow().signal) {
    const { showLog } = await import("../jobs/log.ts");
    const streams = ["stdout", "stderr"] as const;
    const options = { reach: openReach(), streams, follows: follow, tail, isNew: false };
    const context = derive(contextNow(), { signal, attached: undefined });
    for await (const { text, encoding } of showLog(context, job, options)) {
      yield encoding === "utf8" ? text : Buffer.from(text, "base64").toString("latin1");
    }
  };
  const ended = async (signal = contextNow().signal) => {
    const { waitForJobs } = await import("../jobs/wait.ts");
    const context = derive(contextNow(), { signal });
    for await (const state of waitForJobs(context, [job], { reach: openReach(), timeoutMs: undefined })) return state;
    throw new Error("a job that is waited for ends");
  };
  return {
    id: job.id,
    name,
    log: (options) => read(options),
    status: () =>
      trackCall("job.status", async () => {
        const { lookAt, settle } = await import("../jobs/look.ts");
        const context = contextNow();
        return await settle(context, job, await lookAt(openReach(), job, context.signal));
      }),
    ready: (check, options) =>
      trackCall("job.ready", async () => {
        const { waitUntilReady } = await import("./job-ready.ts");
        const { world, signal } = contextNow();
        await waitUntilReady({ name, clock: world.clock, signal, check, ended, read, options });
      }),
    wait: () => trackCall("job.wait", () => ended()),
    stop: ({ signal = "TERM", graceSeconds = 10 } = {}) =>
      trackCall("job.stop", async () => {
        const { parseSignal, stopJob } = await import("../jobs/stop.ts");
        return await stopJob(contextNow(), job, { signal: parseSignal(signal), graceSeconds, reach: openReach() });
      }),
  };
}
