import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { World } from "../../world.ts";
import { type JobEnd, jobFiles } from "../runner/job-order.ts";
import { type Ending, findJob, hasBegun, removeJob, type RunningJob } from "../runner/job-process.ts";
import { endNow, noteInLog, writeEnd } from "./job-end.ts";
import { forgetVariables, type JobRules, startQueued } from "./job-start.ts";
import type { Places } from "./places.ts";
import { FairQueue } from "./queue.ts";
import type { SealedVariables } from "./sealed.ts";
import type { JobStore } from "./store.ts";

interface OpenJobsOptions {
  readonly world: World;
  readonly rules: JobRules;
  readonly store: JobStore;
  readonly places: Places;
  readonly sealed: SealedVariables;
  /** Is told of each job that is over, after that was written down. */
  readonly onEnd: (id: string) => void;
}

interface OpenJob {
  readonly over: PromiseWithResolvers<void>;
  /** Whether it is one of those that run, also while it only just begins. */
  readonly isRunning: boolean;
  running?: RunningJob;
  /** How often its process ended before it began. */
  failures: number;
}

/** A job whose process does not come up (no memory, an executable that is just being replaced) is begun so often. */
const attempts = { count: 3, everyMs: 5_000 };

/** Jobs that are not over: they wait for their turn, and run each in a process of its own that outlives this one. */
export class OpenJobs implements Disposable {
  readonly #options: OpenJobsOptions;
  readonly #queue = new FairQueue();
  readonly #jobs = new Map<string, OpenJob>();
  readonly #gone = new AbortController();
  #running = 0;
  #isStopping = false;

  constructor(options: OpenJobsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get runningCount(): number {
    return this.#running;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Queues a job that is in the store, with its log and its upload in place. */
  add(job: { id: string; userId: string }): void {
    this.#jobs.set(job.id, { over: Promise.withResolvers(), isRunning: false, failures: 0 });
    this.#queue.add(job);
    this.#pump();
  }

  /** What the server before this one left: jobs that run are followed, those that wait do so again. */
  takeUp(): void {
    const { world, store, places } = this.#options;
    for (const { id, userId, isRunning } of store.open()) {
      const folder = places.work(id);
      if (isRunning && existsSync(join(folder, jobFiles.order))) {
        this.#runs(id);
        this.#follow(id, { running: findJob(world, { folder, id, signal: this.#gone.signal }), isFound: true });
      } else if (places.hasUpload(id)) {
        if (isRunning) store.requeue(id);
        this.add({ id, userId });
      } else {
        this.#runs(id);
        this.#note(id, "the server stopped before this job ran, and its upload is gone");
        void this.#end(id, endNow("lost", this.#options.world));
      }
    }
  }

  /** Stops a job. Returns false when it was over already. */
  async cancel(id: string): Promise<boolean> {
    const job = this.#jobs.get(id);
    if (!job) return false;
    if (this.#queue.remove(id)) {
      this.#note(id, "the job was stopped: it was cancelled");
      await this.#end(id, endNow("cancelled", this.#options.world));
    } else {
      job.running?.stop("it was cancelled");
      await job.over.promise;
    }
    return true;
  }

  /** Begins no further job; resolves when those that run are over. */
  async drain(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#jobs.values()].filter(({ isRunning }) => isRunning).map(({ over }) => over.promise));
  }

  /** Stops every job that runs, and begins no further one. */
  async stop(why: string): Promise<void> {
    this.#isStopping = true;
    for (const { running } of this.#jobs.values()) running?.stop(why);
    await this.drain();
  }

  /** Looks after them no longer; those that run go on. */
  [Symbol.dispose](): void {
    this.#isStopping = true;
    this.#gone.abort(new Error("the server ends"));
  }

  #runs(id: string): void {
    const job = this.#jobs.get(id) ?? { over: Promise.withResolvers<void>(), failures: 0 };
    this.#jobs.set(id, { ...job, isRunning: true });
    this.#running++;
  }

  /** Begins as many jobs as may run. */
  #pump(): void {
    while (!this.#isStopping && this.#running < (this.#options.rules.parallelJobs ?? 1)) {
      const id = this.#queue.next();
      if (id === undefined) return;
      this.#runs(id);
      try {
        this.#follow(id, { running: startQueued(id, this.#options), isFound: false });
      } catch (error) {
        this.#note(id, `the job could not be run: ${reasonOf(error)}`);
        void this.#end(id, endNow("completed", this.#options.world));
      }
    }
  }

  #follow(id: string, { running, isFound }: { running: RunningJob; isFound: boolean }): void {
    const job = this.#jobs.get(id);
    if (job) job.running = running;
    void forgetVariables(id, { ...this.#options, signal: this.#gone.signal });
    void this.#untilOver(id, { running, isFound });
  }

  async #untilOver(id: string, { running, isFound }: { running: RunningJob; isFound: boolean }): Promise<void> {
    const end = await running.ended.catch((error: unknown): Ending => ({
      ...endNow("lost", this.#options.world),
      note: `it is not known what became of this job: ${messageOf(error)}`,
    }));
    if (this.#gone.signal.aborted) return;
    if (end.status === "lost" && await this.#beginAgain(id, { isFound })) return;
    const isUnbegun = end.status === "lost" && !hasBegun(this.#options.places.work(id));
    if (end.note !== undefined) this.#note(id, isUnbegun ? "the process for this job did not come up" : end.note);
    // A job that was found may have ended before that.
    await this.#end(id, isFound ? end : { ...end, endedAt: this.#options.world.clock.now() });
  }

  /** A job of which nothing was run yet gets another turn, at once where its process went with the server before. */
  async #beginAgain(id: string, { isFound }: { isFound: boolean }): Promise<boolean> {
    const { world, store, places } = this.#options;
    const job = this.#jobs.get(id);
    if (!job || hasBegun(places.work(id)) || !places.hasUpload(id)) return false;
    if (!isFound) {
      if (++job.failures >= attempts.count) return false;
      await world.clock.sleep(attempts.everyMs, this.#gone.signal).catch(() => {});
    }
    if (this.#gone.signal.aborted) return true;
    if (existsSync(join(places.work(id), jobFiles.stop))) {
      this.#note(id, "the job was stopped before it began");
      await this.#end(id, endNow("cancelled", this.#options.world));
      return true;
    }
    try {
      removeJob(places.work(id));
      store.requeue(id);
    } catch {
      return false;
    }
    this.#running--;
    this.#jobs.set(id, { over: Promise.withResolvers(), isRunning: false, failures: job.failures });
    this.#queue.add({ id, userId: store.ownerOf(id) ?? "", isFirst: true });
    // It is none of those that run any more: nobody has to wait for it.
    job.over.resolve();
    this.#pump();
    return true;
  }

  /** Writes down how a job ended, and lets the next one begin. */
  async #end(id: string, end: JobEnd): Promise<void> {
    if (!await writeEnd(id, end, { ...this.#options, signal: this.#gone.signal })) return;
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (job?.isRunning) this.#running--;
    this.#options.onEnd(id);
    job?.over.resolve();
    this.#pump();
  }

  #note(id: string, text: string): void {
    noteInLog(this.#options.places.log(id), text);
  }
}
