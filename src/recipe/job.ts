import { CiError } from "../errors.ts";

/** What a CI server says of a job. */
export type JobEvent =
  | { readonly type: "job_id"; readonly jobId: string }
  | { readonly type: "log"; readonly data: string }
  | { readonly type: "complete"; readonly success: boolean; readonly reason?: string };

/** A job on a CI server. */
export interface JobHandle {
  readonly id: string;
  /** Its log line by line, always from the first one; ends with the job. */
  log(): AsyncIterable<string>;
  /** Waits for the end. */
  result(): Promise<{ success: boolean }>;
}

/** Reads the events of one job, and keeps its log so that nothing printed before it is asked for is lost. */
export async function jobHandle(events: AsyncIterable<JobEvent>, knownId?: string): Promise<JobHandle> {
  const iterator = events[Symbol.asyncIterator]();
  const id = knownId ?? await firstId(iterator);
  const record = new JobRecord();
  const reading = record.read(iterator);
  reading.catch(() => {});
  return { id, log: () => record.lines(reading), result: () => reading };
}

async function firstId(iterator: AsyncIterator<JobEvent>): Promise<string> {
  const { value, done } = await iterator.next();
  if (!done && value.type === "job_id") return value.jobId;
  throw new CiError("the CI server took the project and did not say the id of the job", {
    hint: "`gpu ci list` shows whether there is one",
  });
}

class JobRecord {
  readonly #lines: string[] = [];
  #partial = "";
  #isOver = false;
  #news = Promise.withResolvers<void>();

  async read(iterator: AsyncIterator<JobEvent>): Promise<{ success: boolean }> {
    try {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) throw new CiError("the log ended before the job did", { hint: "`gpu ci list` shows how it stands" });
        if (value.type === "complete") return { success: value.success };
        if (value.type === "log") this.#add(value.data);
      }
    } finally {
      if (this.#partial !== "") this.#lines.push(this.#partial);
      this.#isOver = true;
      this.#announce();
      await iterator.return?.();
    }
  }

  /** Each reader has a place of its own. An error of the stream is thrown behind the last line. */
  async *lines(reading: Promise<unknown>): AsyncGenerator<string, void, undefined> {
    for (let index = 0;;) {
      const line = this.#lines[index];
      if (line !== undefined) {
        yield line;
        index += 1;
      } else if (this.#isOver) break;
      else await this.#news.promise;
    }
    await reading;
  }

  #add(data: string): void {
    const lines = (this.#partial + data).split("\n");
    this.#partial = lines.pop() ?? "";
    if (lines.length === 0) return;
    this.#lines.push(...lines);
    this.#announce();
  }

  #announce(): void {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers<void>();
    resolve();
  }
}
