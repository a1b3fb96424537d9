import type { Context } from "../command.ts";
import type { Job } from "../jobs/job.ts";
import { instanceTarget } from "../hosts/select.ts";
import type { Launch } from "../rent/rows.ts";
import type { Session } from "../ssh/session.ts";
import { trackCall } from "./calls.ts";
import { findRun } from "./current.ts";

/** How a job is: as `gpu job list` shows it. */
export type DetachedJobState = Job;

/** A command that goes on by itself on an instance, also when the connection or this computer is gone. */
export interface DetachedJob {
  /** `gpu job log <id>` shows it from anywhere. */
  readonly id: string;
  readonly name: string;
  /** The lines it prints, from the first one on and until it has ended; nothing is lost with a connection. */
  log(options?: { readonly follow?: boolean }): AsyncIterable<string>;
  /** Waits until it has ended. */
  wait(): Promise<DetachedJobState>;
  /** Ends it with all that it started: `TERM`, and `KILL` after ten seconds, or as you say. */
  stop(options?: { readonly signal?: string; readonly graceSeconds?: number }): Promise<DetachedJobState>;
}

export interface DetachedParts {
  readonly launch: Launch;
  /** The connection that all calls of the instance's handle share. */
  session(): Promise<Session>;
  readonly name: string;
  readonly command: string;
}

/** Starts a line of the shell there as a job. */
export async function startDetached(
  outer: Context,
  { launch, session, name, command }: DetachedParts,
): Promise<DetachedJob> {
  const { Reach } = await import("../jobs/reach.ts");
  const { startJob } = await import("../jobs/start.ts");
  const contextNow = () => findRun()?.context ?? outer;
  const openReach = () =>
    new Reach(contextNow(), async () => {
      const shared = await session();
      return { exec: (line, options) => shared.exec(line, options), [Symbol.asyncDispose]: () => Promise.resolve() };
    });
  const batch = Buffer.from(outer.world.random(6)).toString("hex");
  const job = await startJob(contextNow(), instanceTarget(launch), {
    ...{ name, batch, shown: command, command, ahead: "" },
    reach: openReach(),
  });
  return {
    id: job.id,
    name,
    async *log({ follow = true } = {}) {
      const { showLog } = await import("../jobs/log.ts");
      const { Buffer } = await import("node:buffer");
      const streams = ["stdout", "stderr"] as const;
      const options = { reach: openReach(), streams, follows: follow, tail: undefined, isNew: false };
      const context = { ...contextNow(), attached: undefined };
      for await (const { text, encoding } of showLog(context, job, options)) {
        yield encoding === "utf8" ? text : Buffer.from(text, "base64").toString("latin1");
      }
    },
    wait: () =>
      trackCall("job.wait", async () => {
        const { waitForJobs } = await import("../jobs/wait.ts");
        const jobs = waitForJobs(contextNow(), [job], { reach: openReach(), timeoutMs: undefined });
        for await (const ended of jobs) return ended;
        throw new Error("a job that is waited for ends");
      }),
    stop: ({ signal = "TERM", graceSeconds = 10 } = {}) =>
      trackCall("job.stop", async () => {
        const { parseSignal, stopJob } = await import("../jobs/stop.ts");
        return await stopJob(contextNow(), job, { signal: parseSignal(signal), graceSeconds, reach: openReach() });
      }),
  };
}
