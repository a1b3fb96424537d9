import { join } from "node:path";
import { GpuError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { type Lock, tryLock } from "../../lock.ts";
import type { World } from "../../world.ts";
import { artifactPath } from "../runner/artifacts.ts";
import { openDatabase } from "./database.ts";
import type { Artifact, Job, JobFilter } from "../job.ts";
import { JobLog } from "../runner/job-log.ts";
import { jobFiles } from "../runner/job-order.ts";
import type { JobRules } from "./job-start.ts";
import { LogFeed } from "./log-feed.ts";
import { countLines, followLog } from "./log-follow.ts";
import type { LogLines } from "./log-reader.ts";
import { OpenJobs } from "./open-jobs.ts";
import { Places } from "./places.ts";
import { type Keep, Sweeper } from "./retention.ts";
import { SealedVariables } from "./sealed.ts";
import { JobStore, type NewJob } from "./store.ts";
import { wireTime } from "./wire-time.ts";

export interface CiServiceOptions extends JobRules {
  readonly world: World;
  readonly dataFolder: string;
  readonly keep?: Keep;
  /** Is told of each job that is over. */
  readonly onEnd?: (job: Job & { readonly userId: string }) => void;
}

/** Takes jobs, runs them in turn, and keeps what they said. One at a time for a data folder. */
export class CiService implements AsyncDisposable {
  readonly database: ReturnType<typeof openDatabase>;
  readonly places: Places;
  readonly #world: World;
  readonly #lock: Lock;
  readonly #store: JobStore;
  readonly #sealed: SealedVariables;
  readonly #feed: LogFeed;
  readonly #jobs: OpenJobs;
  readonly #sweeper: Sweeper;
  #lastActivityMs: number;

  constructor({ world, dataFolder, keep, onEnd, ...rules }: CiServiceOptions) {
    this.#world = world;
    this.database = openDatabase(dataFolder);
    this.#lock = this.#locked(dataFolder);
    this.places = new Places(dataFolder);
    const { places } = this;
    const store = this.#store = new JobStore(this.database);
    const sealed = this.#sealed = new SealedVariables(dataFolder, world);
    this.#feed = new LogFeed(places.logs, world);
    this.#lastActivityMs = world.clock.now();
    this.#sweeper = new Sweeper({ world, store, places, keep });
    const jobs = this.#jobs = new OpenJobs({
      ...{ world, rules, store, places, sealed },
      onEnd: (id) => {
        this.#lastActivityMs = world.clock.now();
        this.#feed.wake(places.log(id));
        this.#sweeper.poke();
        const job = store.find(id);
        if (job) onEnd?.({ ...job, userId: store.ownerOf(id) ?? "" });
      },
    });
    const open = new Set(store.open().map(({ id }) => id));
    places.removeStrangers((id, what) => {
      if (open.has(id)) return true;
      return what === "logs" ? store.ownerOf(id) !== undefined : what === "work" && store.artifactsOf(id).length > 0;
    });
    jobs.takeUp();
  }

  #locked(dataFolder: string): Lock {
    const hint = "`--data` names another folder";
    try {
      const lock = tryLock(join(dataFolder, "server.lock"));
      if (lock !== undefined) return lock;
    } catch (error) {
      this.database.close();
      throw new GpuError(`\`server.lock\` in \`${dataFolder}\` cannot be locked: ${reasonOf(error)}`, {
        hint,
        cause: error,
      });
    }
    this.database.close();
    throw new GpuError(`another CI server uses \`${dataFolder}\``, { hint });
  }

  /** When a job last began or ended, or now while one is open. */
  get lastActivityMs(): number {
    return this.#jobs.size > 0 ? this.#world.clock.now() : this.#lastActivityMs;
  }

  get runningCount(): number {
    return this.#jobs.runningCount;
  }

  get queuedCount(): number {
    return this.#jobs.size - this.#jobs.runningCount;
  }

  /** No job is taken any more. */
  get isStopping(): boolean {
    return this.#jobs.isStopping;
  }

  /** Whether so many bytes more stay within what is kept. */
  hasRoom(bytes: number): boolean {
    return this.#sweeper.hasRoom(bytes);
  }

  findByKey(job: Pick<NewJob, "userId" | "idempotencyKey">): string | undefined {
    return this.#store.findByKey(job);
  }

  /** Takes a job whose upload is in place. Returns its id: an older one's when its user sent the idempotency key before. */
  submit({ variables = {}, ...job }: NewJob & { readonly variables?: Readonly<Record<string, string>> }): string {
    // A job is what has a row, so that comes last.
    JobLog.create(this.places.log(job.id)).close();
    if (Object.keys(variables).length > 0) this.#sealed.put(job.id, variables);
    const { id, isNew } = this.#store.add(job, wireTime(this.#world.clock.now()));
    if (isNew) this.#jobs.add(job);
    else this.discard(job.id);
    return id;
  }

  /** Removes what there is of a submission that did not become a job. */
  discard(id: string): void {
    this.places.remove(id);
    this.#sealed.remove(id);
  }

  find(id: string): Job | undefined {
    return this.#store.find(id);
  }

  /** Whose job it is; undefined when there is none. */
  ownerOf(id: string): string | undefined {
    return this.#store.ownerOf(id);
  }

  list(userId: string, filter: JobFilter = {}): Job[] {
    return this.#store.list(userId, filter);
  }

  artifactsOf(id: string): Artifact[] {
    return this.#store.artifactsOf(id);
  }

  /** Where a file is that the job left; undefined for a name that is none of its artifacts'. */
  artifactPath(id: string, name: string): string | undefined {
    return artifactPath(join(this.places.work(id), jobFiles.artifacts), this.#store.artifactsOf(id), name);
  }

  /** Stops a job. Returns false when it was over already. */
  cancel(id: string): Promise<boolean> {
    return this.#jobs.cancel(id);
  }

  /** How many lines a job has said so far. */
  lineCount(id: string): Promise<number> {
    return countLines(this.places.log(id));
  }

  /** The job's lines behind `after`, until it is over. */
  follow(id: string, { after, signal }: { after: number; signal?: AbortSignal }): AsyncGenerator<LogLines> {
    return followLog({
      ...{ path: this.places.log(id), feed: this.#feed, after, signal },
      isOver: () => !this.#jobs.has(id),
    });
  }

  /** Takes and begins no further job; resolves when those that run are over. What waits goes on waiting. */
  drain(): Promise<void> {
    return this.#jobs.drain();
  }

  /** Stops every job that runs. What waits goes on waiting, for the next server of this folder. */
  stopJobs(): Promise<void> {
    return this.#jobs.stop("the server was stopped");
  }

  /** Jobs that run go on; the next server of this folder finds them. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#jobs[Symbol.dispose]();
    this.#sweeper[Symbol.dispose]();
    this.#feed[Symbol.dispose]();
    this.database.close();
    this.#lock[Symbol.dispose]();
    return Promise.resolve();
  }
}
