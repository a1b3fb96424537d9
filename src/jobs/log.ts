import type { Context } from "../command.ts";
import { InterruptedError, UsageError } from "../errors.ts";
import { jobLabel, stateText } from "./job.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { handedOver, type JobLine, LineCutter } from "./lines.ts";
import { settle } from "./look.ts";
import type { Reach } from "./reach.ts";
import { type JobStream, type Positions, readJob } from "./read.ts";
import { lastLines } from "./tail.ts";

export interface LogOptions {
  readonly reach: Reach;
  readonly streams: readonly JobStream[];
  readonly follows: boolean;
  /** Only so many last lines of each stream. */
  readonly tail: number | undefined;
  /** Only what was not shown here yet. */
  readonly isNew: boolean;
}

/** Shows what a job printed: its bytes on the terminal that is ours, lines to a program. */
export async function* showLog(
  context: Context,
  job: KnownJob,
  options: LogOptions,
): AsyncGenerator<JobLine, void, undefined> {
  const { attached, signal } = context;
  const positions = await beginning(context, job, options);
  try {
    if (attached) {
      await readAndSettle(context, job, {
        ...options,
        positions,
        signal,
        sink: (stream, chunk) => attached[stream].write(chunk),
      });
    } else yield* linesOf(context, job, { ...options, positions });
  } catch (error) {
    if (!signal.aborted || !(signal.reason instanceof InterruptedError)) throw error;
    const name = job.name ?? job.id;
    throw new InterruptedError(signal.reason.signal, {
      message: `${jobLabel(job)} goes on`,
      hint: `\`gpu job log ${name} --follow --new\` goes on from here, \`gpu job stop ${name}\` ends it`,
    });
  } finally {
    await new KeptJobs(context.world).change(job.id, (kept) => ({ ...kept, read: furthest(kept.read, positions) }));
  }
}

/** The same as lines, for a program. */
async function* linesOf(
  context: Context,
  job: KnownJob,
  options: LogOptions & { readonly positions: Positions },
): AsyncGenerator<JobLine, void, undefined> {
  const { positions } = options;
  yield* handedOver<JobLine>(context.signal, async (give, signal) => {
    const cutter = (stream: JobStream) => new LineCutter({ job: job.id, stream, offset: positions[stream] });
    const cutters = { stdout: cutter("stdout"), stderr: cutter("stderr") };
    await readAndSettle(context, job, {
      ...options,
      signal,
      async sink(stream, chunk) {
        for (const line of cutters[stream].add(chunk)) await give(line);
      },
    });
    for (const stream of options.streams) for (const line of cutters[stream].end()) await give(line);
  });
}

async function readAndSettle(
  context: Context,
  job: KnownJob,
  options: Parameters<typeof readJob>[2],
): Promise<void> {
  const report = await readJob(context, job, options);
  const now = await settle(context, job, report);
  if (options.follows && !context.globals.json && !context.run.isRecipe) {
    context.note(`${jobLabel(job)}: ${stateText(now)}${now.reason === null ? "" : `: ${now.reason}`}`);
  }
}

async function beginning(
  context: Context,
  job: KnownJob,
  { reach, streams, tail, isNew }: LogOptions,
): Promise<Positions> {
  if (isNew && tail !== undefined) {
    throw new UsageError("`--new` and `--tail` both say where to begin", { hint: "give one of them" });
  }
  if (tail !== undefined) return await lastLines(context, job, { reach, lines: tail, streams });
  return isNew ? { ...job.read } : { stdout: 0, stderr: 0 };
}

function furthest(read: Positions, now: Positions): Positions {
  return { stdout: Math.max(read.stdout, now.stdout), stderr: Math.max(read.stderr, now.stderr) };
}
