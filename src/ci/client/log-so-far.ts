import type { Clock } from "../../world.ts";
import type { CiClient, CiEventLots } from "./client.ts";
import { type CiEvent, endOf, isOver } from "../job.ts";

/** A plain server never says where the present is: after so long without a line it is there, in milliseconds. */
const presentMs = 1_500;
/** Last lines are kept in memory; more than these would be a log of their own. */
const mostTailChars = 64 * 2 ** 20;

interface LogSoFar {
  readonly clock: Clock;
  /** So many lines, the last ones; all when left out. */
  readonly tail?: number;
  note(text: string): void;
}

/** A job's log from its first line up to now; of a job that is over, all of it. Ends with an end that has no result. */
export async function* logSoFar(client: CiClient, jobId: string, options: LogSoFar): CiEventLots {
  const job = await client.getJob(jobId);
  if (!isOver(job)) {
    options.note(`job ${jobId} is ${job.status}: this is its log so far; \`gpu ci wait ${jobId}\` follows it`);
  }
  const tail = options.tail === undefined ? undefined : await client.logTail(jobId, options.tail);
  if (tail !== undefined) {
    const lines = tail.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    yield lines.map((data) => ({ type: "log" as const, data }));
    if (isOver(job)) yield [endOf(job)];
    return;
  }
  const lots = isOver(job)
    ? client.followInLots(jobId, { fromBeginning: true })
    : upToNow(client, jobId, options.clock);
  yield* options.tail === undefined ? lots : lastLines(lots, options.tail);
}

async function* upToNow(client: CiClient, jobId: string, clock: Clock): CiEventLots {
  const most = await client.lineCount(jobId);
  if (most === 0) return;
  const lots = client.followInLots(jobId, { fromBeginning: true });
  let count = 0;
  try {
    for (;;) {
      const next = most === undefined ? await inTime(lots.next(), clock) : await lots.next();
      if (next === undefined || next.done) return;
      const lot = most === undefined ? next.value : next.value.slice(0, most - count);
      count += lot.length;
      yield lot;
      if (most !== undefined && count >= most) return;
    }
  } finally {
    // A generator that still waits for a line would keep this waiting too; its connection ends with the command.
    void lots.return(undefined).catch(() => {});
  }
}

async function inTime<T>(work: Promise<T>, clock: Clock): Promise<T | undefined> {
  const over = new AbortController();
  const late = clock.sleep(presentMs, over.signal).then(() => undefined, () => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
    work.catch(() => {});
  }
}

/** The last lines of a log and what ends it. A line that comes in pieces counts once. */
async function* lastLines(lots: CiEventLots, count: number): CiEventLots {
  let kept: string[] = [];
  let chars = 0;
  let isMidLine = false;
  const others: CiEvent[] = [];
  for await (const lot of lots) {
    for (const event of lot) {
      if (event.type !== "log") {
        others.push(event);
        continue;
      }
      if (isMidLine) kept.push((kept.pop() ?? "") + event.data);
      else kept.push(event.data);
      isMidLine = !event.data.endsWith("\n");
      chars += event.data.length;
      // Cut now and then, not at each line.
      if (kept.length >= count * 2 + 1000 || chars > mostTailChars) {
        kept = kept.slice(-count);
        while (kept.length > 1 && sizeOf(kept) > mostTailChars) kept.shift();
        chars = sizeOf(kept);
      }
    }
  }
  yield [...kept.slice(-count).map((data) => ({ type: "log" as const, data })), ...others];
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}
