import { z } from "zod";
import {
  CiEventOutput,
  exitOfEvent,
  followed,
  openClient,
  rawParam,
  resumeCommand,
  type ServerFlags,
  serverParams,
  viewEvent,
} from "../../../ci/client/command.ts";
import type { CiClient } from "../../../ci/client/client.ts";
import type { CiEvent, SubmitFields } from "../../../ci/job.ts";
import type { Pack } from "../../../ci/pack/pack.ts";
import { type Context, defineStream } from "../../../command.ts";

export default defineStream({
  name: "ci submit test",
  summary: "Submit a project's tests and follow their log",
  description:
    "Packs the folder, sends it and shows the log as it comes. Files that begin with a dot, `__pycache__`, and what\n" +
    "`.gitignore` and `.gpuignore` name stay here. Ctrl-C stops the waiting; the job goes on.\n" +
    "\n" +
    "How `gpu ci serve` tests a project is said by a `gpu-ci.yaml` at its root:\n" +
    "\n" +
    "    setup: [npm ci]            # shell lines\n" +
    "    test: npm test             # the one line that must be there; its exit code is the result\n" +
    '    env: { CI: "true" }\n' +
    "    timeout: 30m\n" +
    "    artifacts: [reports/**]    # kept for `gpu ci artifacts`\n" +
    "    results: reports/junit.xml # JUnit or TAP, to be counted\n" +
    "\n" +
    "Else by the first of `bun.lock`, `package.json`, `deno.json`, `requirements.txt`, `pyproject.toml`, `Cargo.toml`,\n" +
    "`go.mod` and `Makefile` that it has.",
  effect: "write",
  examples: [
    { command: "gpu ci submit test", says: "this folder, to the server of the profile" },
    { command: "gpu ci submit test --instance trainer", says: "to the CI server of a rented machine" },
    { command: "gpu ci submit test --async", says: "print the job's id and return" },
    { command: "gpu ci submit test -- --filter fast", says: "with arguments for the test command" },
    { command: "gpu ci submit test --env-file .env", says: "with secrets, which no command line and no log shows" },
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
    name: z.string().max(200).optional().meta({ description: "what to call the job, for `gpu ci list`" }),
    tag: z.array(z.string().min(1).max(100)).default([]).meta({
      placeholder: "tag",
      description: "a word to find the job by; may be given several times",
    }),
    envFile: z.string().optional().meta({
      complete: "file",
      placeholder: "file",
      description: "file of variables for the job, `NAME=value` a line; they may be secrets",
    }),
    raw: rawParam,
    ...serverParams,
  }),
  output: CiEventOutput,
  async *run({ args, dir, async: isAsync, ignore, name, tag, envFile, raw, ...flags }, context) {
    await using open = await openClient(context, flags);
    const { client } = open;
    const fields: SubmitFields = { args, name, tags: tag, env: await variablesIn(envFile, context) };
    const { packForCommand } = await import("../../../ci/pack/project.ts");
    const pack = await packForCommand({ dir, ignore, use: "send" }, context);
    await sayWhatIsMissed(client, { fields, pack, context });
    if (isAsync) {
      const jobId = await client.submitAsync(pack.stream, fields);
      context.progress(undefined);
      yield { type: "submitted" as const, jobId };
      return;
    }
    const lots = client.submitInLots(pack.stream, fields);
    for await (const event of followed(lots, context, { flags, isRaw: raw })) {
      if (event.type !== "job_id") {
        yield event;
        continue;
      }
      context.progress(undefined);
      const resume = resumeCommand(context, flags, event.jobId);
      yield resume === `gpu ci wait ${event.jobId}` ? event : { ...event, resume };
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

/** What the server there is does not take, where the tests run all the same. */
async function sayWhatIsMissed(
  client: CiClient,
  { fields: { name, tags = [] }, pack, context: { note } }: { fields: SubmitFields; pack: Pack; context: Context },
): Promise<void> {
  const { server: kind } = await client.health();
  const has = await client.features();
  if ((name !== undefined || tags.length > 0) && !has("names")) {
    note(`the CI server at ${client.server} keeps no names, so \`--name\` and \`--tag\` are left out`);
  }
  if (kind !== "gpu" && !pack.plan.files.some((file) => file.name === "requirements.txt")) {
    // It fails such a project without a word.
    note("warning: there is no `requirements.txt` at the project's root, which this CI server needs");
  }
}

async function variablesIn(
  file: string | undefined,
  { world, signal }: Context,
): Promise<Record<string, string> | undefined> {
  if (file === undefined) return undefined;
  const { readVariables } = await import("../../../ci/client/variables.ts");
  return await readVariables(file, { cwd: world.cwd, signal });
}
