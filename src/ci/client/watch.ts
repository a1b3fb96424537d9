import type { Context } from "../../command.ts";
import { InterruptedError } from "../../errors.ts";
import { isPassing } from "../../http/errors.ts";
import { backoffMs } from "../../http/retry.ts";
import type { CiClient } from "./client.ts";
import { followed, type ServerFlags } from "./command.ts";
import { type CiEvent, isOver, type Job } from "../job.ts";
import { KnownStates, type StateChange } from "./state-change.ts";

/** How often the server is asked how jobs stand, in milliseconds. */
export const lookMs = 2_000;

export interface WatchOptions {
  readonly client: CiClient;
  readonly context: Context;
  readonly flags: ServerFlags;
  readonly isRaw: boolean;
}

/** One job's log and its states, for as long as it takes. */
export async function* watchJob(
  jobId: string,
  { client, context, flags, isRaw, fromBeginning }: WatchOptions & { fromBeginning: boolean },
): AsyncGenerator<CiEvent | StateChange> {
  const { world: { clock }, signal } = context;
  const known = new KnownStates({ isFollowed: true });
  const first = known.look(await client.getJob(jobId));
  if (first) yield first;
  const over = new AbortController();
  const states = statesOf(jobId, { client, known, clock, signal: AbortSignal.any([signal, over.signal]) });
  const lots = client.followInLots(jobId, { fromBeginning, patienceMs: Infinity });
  const log = followed(lots, context, { flags, isRaw, jobId });
  try {
    for await (const event of merged(log, states)) {
      if (event.type === "complete") {
        const job = await client.getJob(jobId).catch(() => undefined);
        const change = job && known.look(job);
        if (change) yield change;
      }
      yield event;
    }
  } finally {
    over.abort();
    await states.return(undefined);
  }
}

async function* statesOf(
  jobId: string,
  { client, known, clock, signal }: {
    client: CiClient;
    known: KnownStates;
    clock: Context["world"]["clock"];
    signal: AbortSignal;
  },
): AsyncGenerator<StateChange> {
  for (;;) {
    await clock.sleep(lookMs, signal).catch(() => {});
    if (signal.aborted) return;
    // What is wrong with the server is said where the log is read.
    const job = await client.getJob(jobId).catch(() => undefined);
    const change = job && known.look(job);
    if (change) yield change;
    if (job && isOver(job)) return;
  }
}

/** The items of both as they come; ends with the first, whose items come before the other's where both have one. */
async function* merged<A, B>(first: AsyncGenerator<A>, second: AsyncGenerator<B>): AsyncGenerator<A | B> {
  let fromFirst = first.next();
  let fromSecond: Promise<IteratorResult<B> | undefined> = second.next();
  const never = new Promise<undefined>(() => {});
  try {
    for (;;) {
      const next = await Promise.race([fromFirst.then((item) => ({ item })), fromSecond.then((other) => ({ other }))]);
      if ("item" in next) {
        if (next.item.done) return;
        yield next.item.value;
        fromFirst = first.next();
      } else if (next.other === undefined || next.other.done) {
        fromSecond = never;
      } else {
        yield next.other.value;
        fromSecond = second.next();
      }
    }
  } finally {
    await first.return(undefined);
  }
}

/** Every change of any of one's jobs, until Ctrl-C, which is its normal end. */
export async function* watchJobs({ client, context }: WatchOptions): AsyncGenerator<StateChange> {
  const known = new KnownStates({ isFollowed: false });
  try {
    for await (const jobs of looks(client, context)) {
      const isFirst = known.isEmpty;
      // What is new stands first in the list; changes are told in their order.
      for (const job of jobs.toReversed()) {
        const change = known.look(job);
        // What was over long before somebody watches is no change.
        if (change && !(isFirst && isOver(job))) yield change;
      }
    }
  } catch (error) {
    if (!isCtrlC(context.signal)) throw error;
  }
}

/** The list of jobs again and again. A server that is away is asked for as long as it takes. */
export async function* looks(
  client: CiClient,
  { world, signal, progress }: Pick<Context, "world" | "signal" | "progress">,
): AsyncGenerator<Job[]> {
  for (let breaks = 0;;) {
    try {
      const jobs = await client.listJobs();
      breaks = 0;
      progress(undefined);
      yield jobs;
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      breaks++;
      progress(`${error instanceof Error ? error.message : String(error)}; trying again`);
    }
    await world.clock.sleep(Math.max(lookMs, backoffMs(world, breaks)), signal);
  }
}

/** Whether it was Ctrl-C that ended the work. */
export function isCtrlC({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof InterruptedError && reason.signal === "SIGINT";
}
