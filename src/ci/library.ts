import { resolve } from "node:path";
import type { World } from "../world.ts";
import { type CiClient, ciClient } from "./client/client.ts";
import type { CiEvent, Job, SubmitFields } from "./job.ts";
import { packProject } from "./pack/pack.ts";
import { type CiSettings, ciSettings } from "./client/settings.ts";

export interface CiCall extends CiSettings {
  readonly signal?: AbortSignal;
}

/** What is submitted, and where. */
export interface SubmitOptions extends CiSettings, SubmitFields {
  /** The project's folder; the current one when left out. */
  readonly dir?: string;
  /** Obey `.gitignore` and `.gpuignore`; true when left out. */
  readonly ignore?: boolean;
}

export interface SubmitCall extends SubmitOptions, CiCall {}

/** A project as a zip, packed while it is read: a stream, or all its bytes. */
export type ProjectZip = ReadableStream<Uint8Array> & {
  /** The whole archive. */
  bytes(): Promise<Uint8Array>;
};

/** The functions that a recipe or a program imports as the existing client's library. */
export function ciLibrary(world: World, configured?: CiSettings) {
  const clientOf = async ({ server, apiKey, signal }: CiCall): Promise<CiClient> =>
    ciClient({ world, signal, ...await ciSettings(world, { flags: { server, apiKey }, configured }) });
  const pack = ({ dir = ".", ignore = true, signal }: SubmitCall) =>
    packProject(resolve(world.cwd, dir), { ignore, signal });

  return {
    createProjectZip(dir: string, { ignore = true }: { ignore?: boolean } = {}): ProjectZip {
      const stream = ReadableStream.from(lazily(async () => (await pack({ dir, ignore })).stream()));
      return Object.assign(stream, { bytes: () => new Response(stream).bytes() });
    },
    async *submitTestsStreaming(call: SubmitCall = {}): AsyncGenerator<CiEvent> {
      const packed = await pack(call);
      yield* (await clientOf(call)).submitStreaming(packed.stream, fieldsOf(call));
    },
    async submitTestsAsync(call: SubmitCall = {}): Promise<string> {
      const packed = await pack(call);
      return await (await clientOf(call)).submitAsync(packed.stream, fieldsOf(call));
    },
    async *waitForJob(
      { jobId, fromBeginning = false, ...call }: CiCall & { jobId: string; fromBeginning?: boolean },
    ): AsyncGenerator<CiEvent> {
      yield* (await clientOf(call)).streamJob(jobId, { fromBeginning });
    },
    async listJobs(call: CiCall = {}): Promise<Job[]> {
      return await (await clientOf(call)).listJobs();
    },
  };
}

function fieldsOf({ args, name, tags, env }: SubmitCall): SubmitFields {
  return { args, name, tags, env };
}

async function* lazily(make: () => Promise<ReadableStream<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await make();
}
