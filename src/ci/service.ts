import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { World } from "../world.ts";
import type { ExtractLimits } from "./extract.ts";
import type { Job, JobFilter } from "./job.ts";
import { JobLog, type LogLine } from "./job-log.ts";
import { runJob } from "./runner.ts";
import { JobStore } from "./store.ts";

export interface CiServiceOptions {
  readonly world: World;
  readonly dataFolder: string;
  /** What jobs see of the environment; see `jobEnvironment`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly bunFolder?: string;
  /** How many jobs run at a time; by default one, as there is one GPU. */
  readonly parallelJobs?: number;
  readonly limits?: ExtractLimits;
  /** How much a job may say; 1 GiB when left out. */
  readonly maxLogBytes?: number;
}

interface OpenJob {
  readonly log: JobLog;
  readonly stopping: AbortController;
  readonly done: Promise<void>;
}

const stoppedReason = "the server was stopped";

/** Takes jobs, runs them in turn, and keeps what they said. */
export class CiService implements AsyncDisposable {
  readonly #options: CiServiceOptions;
  readonly #store: JobStore;
  readonly #open = new Map<string, OpenJob>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #lastActivityMs: number;
  #isStopping = false;

  constructor(options: CiServiceOptions) {
    this.#options = options;
    const { dataFolder } = options;
    for (const name of ["logs", "uploads", "work"]) mkdirSync(join(dataFolder, name), { recursive: true, mode: 0o700 });
    this.#store = new JobStore(dataFolder);
    this.#lastActivityMs = options.world.clock.now();
    for (const id of this.#store.markLost(this.#now())) {
      const log = JobLog.create(this.#logPath(id));
      log.note("the server stopped while this job was open");
      log.close();
      rmSync(join(dataFolder, "work", id), { recursive: true, force: true });
      rmSync(this.uploadPath(id), { force: true });
    }
  }

  /** When a job last began or ended, or now while one is open. */
  get lastActivityMs(): number {
    return this.#open.size > 0 ? this.#options.world.clock.now() : this.#lastActivityMs;
  }

  newId(): string {
    const hex = Buffer.from(this.#options.world.random(16)).toString("hex");
    const variant = ((parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
    return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, variant + hex.slice(18, 20), hex.slice(20)]
      .join("-");
  }

  /** Where the archive of a new job is to be written before `submit`. */
  uploadPath(id: string): string {
    return join(this.#options.dataFolder, "uploads", `${id}.zip`);
  }

  findByKey(key: string | undefined): string | undefined {
    return this.#store.findByKey(key);
  }

  /** Takes a job whose archive is in place. Returns its id: an older one's when the idempotency key is known. */
  submit(job: { id: string; args: readonly string[]; idempotencyKey: string | undefined }): string {
    const { id, isNew } = this.#store.add(job, this.#now());
    if (!isNew) {
      rmSync(this.uploadPath(job.id), { force: true });
      return id;
    }
    const log = this.#createLog(id);
    const stopping = new AbortController();
    // Begins in a later turn, so that the job is in the list of open ones before anything happens to it.
    // Where even the store cannot be written (a full disk) the job stays open there, and is `lost` after a restart.
    const done = Promise.resolve().then(() => this.#run(job, { log, stopping })).catch(() => {}).finally(() => {
      this.#open.delete(id);
    });
    this.#open.set(id, { log, stopping, done });
    if (this.#isStopping) stopping.abort(new Error(stoppedReason));
    return id;
  }

  find(id: string): Job | undefined {
    return this.#store.find(id);
  }

  list(filter: JobFilter): Job[] {
    return this.#store.list(filter);
  }

  /** Stops a job. Returns false when it was over already. */
  async cancel(id: string): Promise<boolean> {
    const job = this.#open.get(id);
    if (!job) return false;
    job.stopping.abort(new Error("it was cancelled"));
    await job.done;
    return true;
  }

  /** How many lines a job has said so far. */
  lineCount(id: string): Promise<number> {
    return this.#log(id).lineCount();
  }

  /** The job's lines behind `after`, until it is over. */
  follow(id: string, options: { after: number; signal?: AbortSignal }): AsyncGenerator<LogLine> {
    return this.#log(id).follow(options);
  }

  /** Stops every job, and any that still comes. */
  async stopJobs(): Promise<void> {
    this.#isStopping = true;
    const open = [...this.#open.values()];
    for (const job of open) job.stopping.abort(new Error(stoppedReason));
    await Promise.all(open.map(({ done }) => done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopJobs();
    this.#store[Symbol.dispose]();
  }

  async #run(
    job: { id: string; args: readonly string[] },
    { log, stopping }: { log: JobLog; stopping: AbortController },
  ): Promise<void> {
    const { world, dataFolder, environment, bunFolder, limits } = this.#options;
    const { id, args } = job;
    let success = false;
    try {
      await this.#turn(stopping.signal);
      try {
        this.#lastActivityMs = world.clock.now();
        if (!stopping.signal.aborted) this.#store.begin(id, this.#now());
        const folder = join(dataFolder, "work", id);
        const archive = this.uploadPath(id);
        success = await runJob({
          world,
          id,
          args,
          archive,
          folder,
          log,
          environment,
          bunFolder,
          limits,
          signal: stopping.signal,
        });
      } finally {
        this.#running--;
        for (const wake of this.#waiting.splice(0)) wake();
      }
    } finally {
      this.#lastActivityMs = world.clock.now();
      const status = stopping.signal.aborted ? "cancelled" : "completed";
      try {
        this.#store.end(id, { status, success, nowIso: this.#now() });
      } finally {
        log.close();
      }
    }
  }

  /** Waits until one more job may run; one that is stopped waits no longer. */
  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#running >= (this.#options.parallelJobs ?? 1) && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#running++;
  }

  #log(id: string): JobLog {
    return this.#open.get(id)?.log ?? JobLog.finished(this.#logPath(id));
  }

  /** A job whose log cannot be made (a full disk) is not one. */
  #createLog(id: string): JobLog {
    try {
      return JobLog.create(this.#logPath(id), { maxBytes: this.#options.maxLogBytes });
    } catch (error) {
      this.#store.end(id, { status: "cancelled", success: false, nowIso: this.#now() });
      throw error;
    }
  }

  #logPath(id: string): string {
    return join(this.#options.dataFolder, "logs", `${id}.log`);
  }

  #now(): string {
    return wireTime(this.#options.world.clock.now());
  }
}

/** A time as the protocol writes it: UTC with six places behind the second. */
export function wireTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
