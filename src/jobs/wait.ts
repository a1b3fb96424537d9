import type { Context } from "../command.ts";
import type { Job } from "./job.ts";
import type { KnownJob } from "./kept.ts";
import { reportOf, settle, unasked } from "./look.ts";
import { isOver, jobOf } from "./outcome.ts";
import { Persistence } from "./persistence.ts";
import { onMachine, type Reach } from "./reach.ts";
import { patienceSeconds, waitScript } from "./scripts.ts";

/** Waits for jobs and gives each as it ends; after `timeoutMs` those that still run as well. */
export async function* waitForJobs(
  context: Context,
  jobs: readonly KnownJob[],
  { reach, timeoutMs }: { readonly reach: Reach; readonly timeoutMs: number | undefined },
): AsyncGenerator<Job, void, undefined> {
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const until = timeoutMs === undefined ? Infinity : context.world.clock.monotonic() + timeoutMs;
  const waiting = new Map(jobs.map((job) => [
    job.id,
    waitForJob(context, job, { reach, until, signal }).then((done) => ({ id: job.id, done })),
  ]));
  try {
    while (waiting.size > 0) {
      const { id, done } = await Promise.race(waiting.values());
      waiting.delete(id);
      yield done;
    }
  } finally {
    ended.abort(new Error("nobody waits any more"));
    await Promise.allSettled(waiting.values());
  }
}

interface WaitOptions {
  readonly reach: Reach;
  /** Of the clock that never goes back, in milliseconds. */
  readonly until: number;
  readonly signal: AbortSignal;
}

/** Waits through lost connections. A machine that cannot be asked at all is how the job is. */
async function waitForJob(context: Context, job: KnownJob, { reach, until, signal }: WaitOptions): Promise<Job> {
  if (job.end) return jobOf(job, undefined);
  const { world: { clock } } = context;
  const persistence = new Persistence(context, job.machine, { signal, wasThere: reach.wasThere });
  try {
    for (;;) {
      const leftSeconds = Math.max(0, Math.min(patienceSeconds, (until - clock.monotonic()) / 1000));
      const report = await onMachine(
        context,
        job.machine,
        () =>
          persistence.do(async () =>
            reportOf(await reach.ask(job.machine, waitScript(job.id, leftSeconds), { signal }), job.id)
          ),
      );
      if (report === undefined || isOver(report) || leftSeconds < patienceSeconds) {
        return await settle(context, job, report);
      }
      // Nobody waits for what has no supervisor: it is looked at again.
      if (report.state === "orphaned") await clock.sleep(1000, signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    return await unasked(context, job, error);
  }
}
