// The CI client as a library, for recipes and scripts that want its parts rather than `gpu.ci`.
import type { Job } from "../ci/job.ts";
import type { ProjectZip, SubmitOptions } from "../ci/library.ts";
import type { CiSettings } from "../ci/client/settings.ts";
import { trackCall } from "./calls.ts";
import { currentRun } from "./current.ts";
import type { JobEvent } from "./job.ts";

/** Where a CI server is and who asks; what is left out comes from environment and configuration, as for `gpu ci`. */
export type CiServerOptions = CiSettings;

/** One job as the server lists it. */
export type CiJob = Readonly<Job>;

export type { ProjectZip, SubmitOptions };

/** The client, and the signal that ends what it does with the run. */
async function library() {
  const { ciLibrary } = await import("../ci/library.ts");
  const { world, signal } = currentRun().context;
  return { ci: ciLibrary(world), signal };
}

/** Packs the project in `dir` the way `gpu ci submit test` does. */
export function createProjectZip(dir: string, options: { ignore?: boolean } = {}): ProjectZip {
  const packing = library().then(({ ci }) => ci.createProjectZip(dir, options));
  packing.catch(() => {});
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const open = reader ??= (await packing).getReader();
      const { value, done } = await open.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async (reason) => await (reader ?? await packing).cancel(reason),
  });
  return Object.assign(stream, { bytes: () => new Response(stream).bytes() });
}

/** Submits a project and gives what happens: the job's id, each line of its log, and whether it passed. */
export async function* submitTestsStreaming(options: SubmitOptions = {}): AsyncGenerator<JobEvent, void, undefined> {
  const { ci, signal } = await library();
  yield* ci.submitTestsStreaming({ ...options, signal });
}

/** Submits a project and returns the id of its job at once. */
export function submitTestsAsync(options: SubmitOptions = {}): Promise<string> {
  return trackCall("submitTestsAsync", async () => {
    const { ci, signal } = await library();
    return await ci.submitTestsAsync({ ...options, signal });
  });
}

/** Follows a job: what is new, or all of it. */
export async function* waitForJob(
  options: { jobId: string; fromBeginning?: boolean } & CiServerOptions,
): AsyncGenerator<JobEvent, void, undefined> {
  const { ci, signal } = await library();
  yield* ci.waitForJob({ ...options, signal });
}

/** The caller's own jobs. */
export function listJobs(options: CiServerOptions = {}): Promise<CiJob[]> {
  return trackCall("listJobs", async () => {
    const { ci, signal } = await library();
    return await ci.listJobs({ ...options, signal });
  });
}
