import { expect, test } from "bun:test";
import { type JobEvent, type JobHandle, jobHandle, submittedJob } from "../../src/recipe/job.ts";

async function* events(...list: JobEvent[]): AsyncGenerator<JobEvent> {
  for (const event of list) yield await Promise.resolve(event);
}

/** A job whose server gives the same events each time. */
async function follow(make: () => AsyncGenerator<JobEvent>): Promise<JobHandle> {
  return jobHandle({ ...await submittedJob(make()), again: make });
}

const linesOf = async (lines: AsyncIterable<string>) => await Array.fromAsync(lines);

test("a log is read from its first line, however late and however often", async () => {
  const job = await follow(() =>
    events(
      { type: "job_id", jobId: "j-1" },
      { type: "log", data: "one\n" },
      { type: "log", data: "two, " },
      { type: "log", data: "its rest\nthree" },
      { type: "complete", success: true },
    )
  );
  expect(await job.result()).toEqual({ success: true });
  expect(await linesOf(job.log())).toEqual(["one", "two, its rest", "three"]);
  expect(await linesOf(job.log())).toEqual(["one", "two, its rest", "three"]);
  expect(job.id).toBe("j-1");
});

test("lines come as they are printed", async () => {
  const more = Promise.withResolvers<void>();
  const source = async function* (): AsyncGenerator<JobEvent> {
    yield { type: "job_id", jobId: "j-1" };
    yield { type: "log", data: "one\n" };
    await more.promise;
    yield { type: "complete", success: false };
  };
  const job = await follow(source);
  const lines = job.log()[Symbol.asyncIterator]();
  expect(await lines.next()).toEqual({ value: "one", done: false });
  more.resolve();
  expect((await lines.next()).done).toBe(true);
  expect(await job.result()).toEqual({ success: false });
});

test("a stream that ends too early fails the log behind its last line, and the result", async () => {
  const job = await follow(() => events({ type: "job_id", jobId: "j-1" }, { type: "log", data: "one\n" }));
  const lines = job.log()[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("one");
  await expect(lines.next()).rejects.toThrow("the log ended before the job did");
  await expect(job.result()).rejects.toThrow("the log ended before the job did");
});

test("a reader who leaves early does not keep the result back", async () => {
  const job = await follow(() =>
    events({ type: "job_id", jobId: "j-1" }, { type: "log", data: "one\ntwo\n" }, { type: "complete", success: true })
  );
  for await (const line of job.log()) {
    expect(line).toBe("one");
    break;
  }
  expect(await job.result()).toEqual({ success: true });
});

test("an answer without an id is an error", async () => {
  await expect(submittedJob(events({ type: "complete", success: false }))).rejects.toThrow("did not say the id");
});
