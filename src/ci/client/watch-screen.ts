import { messageOf } from "../../errors.ts";
import { openScreen } from "../../terminal/screen.ts";
import { isOver, type Job } from "../job.ts";
import type { CiEventOutput } from "./command.ts";
import { JobsView } from "./jobs-view.ts";
import { looks, watchJob, type WatchOptions } from "./watch.ts";
import type { StateChange } from "./state-change.ts";

/** A living view of all one's jobs. Enter leaves it for a job's log, `q` and Ctrl-C leave it for good. */
export async function* watchOnScreen(options: WatchOptions): AsyncGenerator<CiEventOutput | StateChange> {
  const picked = await showJobs(options);
  if (picked === undefined) return;
  if (!isOver(picked)) options.context.note("Ctrl-C leaves the log, and the job goes on");
  yield* watchJob(picked.job_id, { ...options, fromBeginning: true });
}

/** Shows the jobs until one is picked, or none: then undefined. */
async function showJobs({ client, context }: WatchOptions): Promise<Job | undefined> {
  const { world: { terminal: { stdin, stdout }, clock }, globals, signal } = context;
  const view = new JobsView({ server: client.server, isColored: globals.color });
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const picked = Promise.withResolvers<Job | undefined>();
  await using screen = openScreen(stdout);
  const draw = () => screen.show((columns) => view.frame({ columns, rows: stdout.rows, now: clock.now() }));
  const progress = (text: string | undefined) => {
    if (view.trouble === text) return;
    view.trouble = text;
    void draw().catch(() => {});
  };
  const loaded = Promise.withResolvers<void>();
  const look = async () => {
    const quiet = { ...context, signal: ending, progress };
    for await (const jobs of looks(client, quiet)) {
      view.jobs = jobs;
      await draw();
      loaded.resolve();
    }
  };
  const cancel = async (jobId: string) => {
    progress(`cancelling ${jobId}`);
    const said = await client.cancelJob(jobId).then(({ status }) => `${jobId} is ${status}`, messageOf);
    view.said = said;
    progress(undefined);
    await draw();
  };
  const type = async () => {
    await loaded.promise;
    if (!stdin.isTTY || ending.aborted) return;
    for await (const bytes of stdin.read({ raw: true, signal: ending })) {
      const wish = view.key(new TextDecoder().decode(bytes));
      if (wish?.kind === "leave") return picked.resolve(undefined);
      if (wish?.kind === "log") return picked.resolve(view.jobs.find(({ job_id }) => job_id === wish.jobId));
      if (wish?.kind === "cancel") void cancel(wish.jobId).catch(picked.reject);
      await draw();
    }
  };
  const leave = () => picked.resolve(undefined);
  signal.addEventListener("abort", leave, { once: true });
  // What ends with the view is no failure of it.
  const guarded = (work: Promise<void>) => work.catch((error) => void (ending.aborted || picked.reject(error)));
  const works = [guarded(look()), guarded(type())];
  try {
    return await picked.promise;
  } finally {
    signal.removeEventListener("abort", leave);
    over.abort(new Error("the view is left"));
    loaded.resolve();
    await Promise.all(works);
  }
}
