import { z } from "zod";
import {
  CiEventOutput,
  exitOfEvent,
  followed,
  openClient,
  type ServerFlags,
  serverParams,
  viewEvent,
} from "../../../ci/command.ts";
import type { CiEvent } from "../../../ci/job.ts";
import type { Pack } from "../../../ci/pack.ts";
import { type Context, defineStream } from "../../../command.ts";

export default defineStream({
  name: "ci submit test",
  summary: "Submit a project's tests and follow their log",
  description:
    "Packs the folder, sends it and shows the log as it comes. Files that begin with a dot, `__pycache__`, and what\n" +
    "`.gitignore` and `.gpuignore` name stay here. Ctrl-C stops the waiting; the job goes on.",
  effect: "write",
  examples: [
    { command: "gpu ci submit test", says: "this folder, to the server of the profile" },
    { command: "gpu ci submit test --instance trainer", says: "to the CI server of a rented machine" },
    { command: "gpu ci submit test --async", says: "print the job's id and return" },
    { command: "gpu ci submit test -- --filter fast", says: "with arguments for the test command" },
  ],
  input: z.object({
    args: z.array(z.string()).optional().meta({
      rest: true,
      placeholder: "argument",
      description: "arguments for the test command",
    }),
    dir: z.string().default(".").meta({ complete: "folder", placeholder: "folder", description: "project to test" }),
    async: z.boolean().default(false).describe("print the job's id and return at once"),
    ignore: z.boolean().default(true).describe("leave out what `.gitignore` and `.gpuignore` name"),
    ...serverParams,
  }),
  output: CiEventOutput,
  async *run({ args, dir, async: isAsync, ignore, ...flags }, context) {
    await using open = await openClient(context, flags);
    const { client } = open;
    const { instance } = flags;
    const resume = instance === undefined ? undefined : (id: string) => `gpu ci wait ${id} --instance ${instance}`;
    const pack = await packHere(dir, ignore, context);
    if (isAsync) {
      const jobId = await client.submitAsync(pack.stream, { args });
      context.progress(undefined);
      yield { type: "submitted" as const, jobId };
      return;
    }
    for await (const event of followed(client.submitStreaming(pack.stream, { args }), context)) {
      context.progress(undefined);
      yield event.type === "job_id" && resume !== undefined ? { ...event, resume: resume(event.jobId) } : event;
    }
  },
  async handle(events, context, { server, apiKey, instance }) {
    const { jobHandle, submittedJob } = await import("../../../recipe/job.ts");
    const { id, live } = await submittedJob(asJobEvents(events));
    return jobHandle({ id, live, again: () => readAgain(context, { server, apiKey, instance }, id) });
  },
  exitCode: exitOfEvent,
  view: viewEvent,
});

/** For a handle a job that nobody follows is one whose log has not been asked for. */
async function* asJobEvents(events: AsyncIterable<CiEventOutput>): AsyncGenerator<CiEvent> {
  for await (const event of events) yield event.type === "submitted" ? { type: "job_id", jobId: event.jobId } : event;
}

async function* readAgain(context: Context, flags: ServerFlags, jobId: string): AsyncGenerator<CiEvent> {
  await using open = await openClient(context, flags);
  yield* open.client.streamJob(jobId, { fromBeginning: true });
}

async function packHere(dir: string, ignore: boolean, context: Context): Promise<Pack> {
  const { resolve } = await import("node:path");
  const { packProject } = await import("../../../ci/pack.ts");
  const { world, signal, progress, note } = context;
  progress(`packing ${dir}`);
  const pack = await packProject(resolve(world.cwd, dir), {
    ignore,
    signal,
    onProgress: ({ files, bytes }) =>
      progress(
        `sending ${files} of ${pack.plan.files.length} files, ${megabytes(bytes)} of ${megabytes(pack.plan.bytes)}`,
      ),
  });
  const { leftOut, skipped, warnings } = pack.plan;
  if (leftOut.files > 0) {
    note(`left out as ignored: ${leftOut.files} files, ${megabytes(leftOut.bytes)} (\`--no-ignore\` sends them)`);
  }
  for (const { name, why } of skipped) note(`left out: ${JSON.stringify(name)}: ${why}`);
  for (const warning of warnings) note(`warning: ${warning}`);
  return pack;
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
