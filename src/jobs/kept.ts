import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readTextIfThere, writeWhole } from "../files.ts";
import type { HostLogin, Target } from "../hosts/target.ts";
import type { World } from "../world.ts";
import { JobState } from "./job.ts";
import { keptDays } from "./launch-script.ts";
import { idPattern } from "./report.ts";

const login = z.custom<HostLogin>((value) => typeof value === "object" && value !== null && "address" in value);

/** Where a job is. */
const Machine = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("instance"), token: z.string(), name: z.string() }),
  z.object({ kind: z.literal("host"), name: z.string(), login }),
]);
export type Machine = z.output<typeof Machine>;

/** What this computer knows of a job without asking its machine. */
export const KnownJob = z.object({
  id: z.string().regex(idPattern),
  name: z.string().nullable(),
  /** Jobs that one command started share it. */
  batch: z.string(),
  command: z.string(),
  machine: Machine,
  /** Milliseconds since 1970. */
  startedAt: z.number().nullable(),
  /** The machine said that it has begun. */
  isConfirmed: z.boolean(),
  /** How it ended, once that was seen. */
  end: z.object({
    state: JobState,
    exitCode: z.number().nullable(),
    endedAt: z.number().nullable(),
    reason: z.string().nullable(),
  })
    .nullable(),
  /** How many bytes of each stream somebody has read here. */
  read: z.object({ stdout: z.number(), stderr: z.number() }),
});
export type KnownJob = z.output<typeof KnownJob>;

const dayMs = 86_400_000;

/** The jobs that were started here, each a file of its own: commands that run at once do not meet. */
export class KeptJobs {
  readonly #folder: string;
  readonly #clock: World["clock"];

  constructor({ folders, clock }: Pick<World, "folders" | "clock">) {
    this.#folder = join(folders.state, "jobs");
    this.#clock = clock;
  }

  /** All of them, the oldest first. What ended long ago is forgotten. */
  async all(): Promise<KnownJob[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const ids = names.flatMap((name) => name.endsWith(".json") ? [name.slice(0, -5)] : []);
    const jobs = (await Promise.all(ids.filter((id) => idPattern.test(id)).map((id) => this.find(id))))
      .filter((job) => job !== undefined);
    const [old, kept] = [jobs.filter((job) => this.#isOld(job)), jobs.filter((job) => !this.#isOld(job))];
    for (const { id } of old) await this.forget(id);
    return kept.toSorted((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0) || (a.id < b.id ? -1 : 1));
  }

  async find(id: string): Promise<KnownJob | undefined> {
    const text = await readTextIfThere(this.#path(id));
    if (text === undefined) return undefined;
    try {
      return KnownJob.parse(JSON.parse(text));
    } catch {
      // One that cannot be read keeps none of the others.
      return undefined;
    }
  }

  async save(job: KnownJob): Promise<void> {
    await writeWhole(this.#path(job.id), `${JSON.stringify(job)}\n`);
  }

  /** Changes one that is kept; others are not taken in. */
  async change(id: string, change: (job: KnownJob) => KnownJob): Promise<void> {
    const job = await this.find(id);
    if (job) await this.save(change(job));
  }

  async forget(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  #isOld({ end, startedAt }: KnownJob): boolean {
    return end !== null && this.#clock.now() - (end.endedAt ?? startedAt ?? 0) > keptDays * dayMs;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

/** The machine of a target, as it is kept. */
export function machineOf(target: Target): Machine {
  if (target.kind === "instance") return { kind: "instance", token: target.launch.token, name: target.name };
  // Its key is known by the next time: nothing is believed unseen later on.
  return { kind: "host", name: target.name, login: { ...target.login, unknownHost: "refuse" } };
}

/** Two jobs with the same text are on the same machine. */
export function machineKey(machine: Machine): string {
  return machine.kind === "instance" ? machine.token : JSON.stringify([
    machine.login.address,
    machine.login.jumps.map(({ address }) => address),
    machine.login.proxyCommand,
  ]);
}
