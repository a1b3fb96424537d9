import type { CiEvent, TestCounts } from "../ci/job.ts";
import { CiError } from "../errors.ts";

/** What a CI server says of a job. */
export type JobEvent = CiEvent;

/** A job on a CI server. */
export interface JobHandle {
  /** `gpu ci wait <id>` follows it from anywhere. */
  readonly id: string;
  /** Its log line by line, always from the first one; ends with the job. */
  log(): AsyncIterable<string>;
  /** Waits for the end. `results` counts the tests, where the job wrote a report that the server understands. */
  result(): Promise<JobResult>;
}

/** How a job ended. */
export interface JobResult {
  /** Its tests passed. */
  readonly success: boolean;
  /** How many passed, failed and were skipped, where a report said so. */
  readonly results?: Readonly<TestCounts>;
}

/** Where the events of a job come from. */
export interface JobSource {
  /** What the submission itself answers, read at most once; undefined where nobody follows it. */
  readonly live: AsyncIterable<JobEvent> | undefined;
  readonly id: string;
  /** All events again, from the first line on. The server keeps the log, so nobody here has to. */
  again(): AsyncIterable<JobEvent>;
}

/** The handle of a job: each reading of its log is a stream of its own, so memory does not grow with the log. */
export function jobHandle({ id, live, again }: JobSource): JobHandle {
  let unread = live;
  let outcome: JobResult | undefined;
  let reading: Promise<void> | undefined;

  const events = async function* (): AsyncGenerator<JobEvent> {
    const source = unread ?? again();
    unread = undefined;
    for await (const event of source) {
      yield event;
      if (event.type !== "complete") continue;
      const { success, results } = event;
      outcome = results === undefined ? { success } : { success, results };
      return;
    }
    throw new CiError("the log ended before the job did", { hint: `\`gpu ci wait ${id}\` shows how it stands` });
  };
  return {
    id,
    async *log() {
      const { promise, resolve } = Promise.withResolvers<void>();
      reading = promise;
      try {
        yield* linesOf(events());
      } finally {
        resolve();
      }
    },
    async result() {
      // Who reads the log will see the end; where that is left early, or nobody reads, the end is waited for here.
      await reading;
      while (outcome === undefined) {
        for await (const _event of events());
      }
      return outcome;
    },
  };
}

/** The first event of a submission names its job. */
export async function submittedJob(
  events: AsyncIterable<JobEvent>,
): Promise<{ id: string; live: AsyncIterable<JobEvent> }> {
  const iterator = events[Symbol.asyncIterator]();
  const { value, done } = await iterator.next();
  if (!done && value.type === "job_id") return { id: value.jobId, live: { [Symbol.asyncIterator]: () => iterator } };
  throw new CiError("the CI server took the project and did not say the id of the job", {
    hint: "`gpu ci list` shows whether there is one",
  });
}

async function* linesOf(events: AsyncIterable<JobEvent>): AsyncGenerator<string> {
  let partial = "";
  for await (const event of events) {
    if (event.type !== "log") continue;
    const lines = (partial + event.data).split("\n");
    partial = lines.pop() ?? "";
    yield* lines;
  }
  if (partial !== "") yield partial;
}
