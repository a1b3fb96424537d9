import type { Database } from "bun:sqlite";
import { z } from "zod";
import { jsonOf } from "../../http/json.ts";
import { Artifact, type Job, type JobFilter, TestCounts } from "../job.ts";
import type { JobEnd } from "../runner/job-order.ts";

/** A job as it was submitted. */
export interface NewJob {
  readonly id: string;
  /** Whose it is; "" where there is one user only. */
  readonly userId: string;
  readonly args: readonly string[];
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly idempotencyKey?: string;
}

/** A job that is not over. */
export interface OpenRow {
  readonly id: string;
  readonly userId: string;
  readonly isRunning: boolean;
}

interface Row {
  job_id: string;
  status: string;
  success: number | null;
  start_time: string | null;
  end_time: string | null;
  name: string | null;
  tags: string;
  created_at: string;
  results: string | null;
}

const columns = "job_id, status, success, start_time, end_time, name, tags, created_at, results";

const Words = z.array(z.string()).catch([]);

/** The server's jobs, which outlive a restart. Times are those of `wireTime`. */
export class JobStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds a job, unless its user submitted one with its idempotency key before: then that one is meant. */
  add(job: NewJob, nowIso: string): { id: string; isNew: boolean } {
    return this.#db.transaction(() => {
      const known = this.findByKey(job);
      if (known !== undefined) return { id: known, isNew: false };
      this.#db.run(
        `INSERT INTO jobs (job_id, user_id, status, created_at, args, name, tags, idempotency_key, artifacts)
         VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, '[]')`,
        [
          job.id,
          job.userId,
          nowIso,
          JSON.stringify(job.args),
          job.name ?? null,
          JSON.stringify(job.tags ?? []),
          job.idempotencyKey ?? null,
        ],
      );
      return { id: job.id, isNew: true };
    }).immediate();
  }

  findByKey({ userId, idempotencyKey }: Pick<NewJob, "userId" | "idempotencyKey">): string | undefined {
    if (idempotencyKey === undefined) return undefined;
    return this.#db.query<{ job_id: string }, [string, string]>(
      "SELECT job_id FROM jobs WHERE user_id = ? AND idempotency_key = ?",
    ).get(userId, idempotencyKey)?.job_id;
  }

  begin(id: string, nowIso: string): void {
    this.#db.run("UPDATE jobs SET status = 'running', start_time = ? WHERE job_id = ?", [nowIso, id]);
  }

  /** What was about to run has to wait again. */
  requeue(id: string): void {
    this.#db.run("UPDATE jobs SET status = 'queued', start_time = NULL WHERE job_id = ?", [id]);
  }

  end(id: string, { status, success, results, artifacts }: Omit<JobEnd, "endedAt">, nowIso: string): void {
    this.#db.run(
      "UPDATE jobs SET status = ?, success = ?, results = ?, artifacts = ?, end_time = ? WHERE job_id = ?",
      [
        status,
        success ? 1 : 0,
        results === undefined ? null : JSON.stringify(results),
        JSON.stringify(artifacts),
        nowIso,
        id,
      ],
    );
  }

  find(id: string): Job | undefined {
    const row = this.#db.query<Row, [string]>(`SELECT ${columns} FROM jobs WHERE job_id = ?`).get(id);
    return row === null ? undefined : jobOf(row);
  }

  /** Whose job it is; undefined when there is none. */
  ownerOf(id: string): string | undefined {
    return this.#db.query<{ user_id: string }, [string]>("SELECT user_id FROM jobs WHERE job_id = ?").get(id)?.user_id;
  }

  argsOf(id: string): string[] {
    const row = this.#db.query<{ args: string }, [string]>("SELECT args FROM jobs WHERE job_id = ?").get(id);
    return Words.parse(jsonOf(row?.args ?? ""));
  }

  artifactsOf(id: string): Artifact[] {
    const row = this.#db.query<{ artifacts: string }, [string]>("SELECT artifacts FROM jobs WHERE job_id = ?").get(id);
    return z.array(Artifact).catch([]).parse(jsonOf(row?.artifacts ?? ""));
  }

  /** Jobs that are not over, in the order they were submitted. */
  open(): OpenRow[] {
    return this.#db.query<{ job_id: string; user_id: string; status: string }, []>(
      "SELECT job_id, user_id, status FROM jobs WHERE status IN ('queued', 'running') ORDER BY rowid",
    ).all().map(({ job_id, user_id, status }) => ({ id: job_id, userId: user_id, isRunning: status === "running" }));
  }

  /** Jobs that are over, those that ended first before the others. */
  over(): { id: string; endedMs: number }[] {
    return this.#db.query<{ job_id: string; end_time: string }, []>(
      "SELECT job_id, end_time FROM jobs WHERE status NOT IN ('queued', 'running') ORDER BY end_time, rowid",
    ).all().map(({ job_id, end_time }) => ({ id: job_id, endedMs: Date.parse(end_time) }));
  }

  count(status: "queued" | "running"): number {
    return this.#db.query<{ count: number }, [string]>("SELECT count(*) AS count FROM jobs WHERE status = ?").get(
      status,
    )
      ?.count ?? 0;
  }

  delete(id: string): void {
    this.#db.run("DELETE FROM jobs WHERE job_id = ?", [id]);
  }

  /** One user's jobs, newest first; those that have not begun come last. */
  list(userId: string, { status, since, q, limit }: JobFilter = {}): Job[] {
    const pattern = q === undefined ? null : `%${q.replace(/[\\%_]/g, "\\$&")}%`;
    return this.#db.query<Row, (string | number | null)[]>(
      `SELECT ${columns} FROM jobs
       WHERE user_id = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR start_time IS NULL OR start_time >= ?3)
         AND (?4 IS NULL OR job_id LIKE ?4 ESCAPE '\\' OR status LIKE ?4 ESCAPE '\\' OR name LIKE ?4 ESCAPE '\\'
           OR EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value LIKE ?4 ESCAPE '\\'))
       ORDER BY start_time IS NULL, start_time DESC, created_at DESC, rowid DESC LIMIT ?5`,
    ).all(userId, status ?? null, since ?? null, pattern, limit ?? -1).map(jobOf);
  }
}

function jobOf({ success, tags, results, ...row }: Row): Job {
  return {
    job_id: row.job_id,
    status: row.status,
    success: success === null ? null : success === 1,
    start_time: row.start_time,
    end_time: row.end_time,
    name: row.name,
    tags: Words.parse(jsonOf(tags)),
    created_at: row.created_at,
    results: results === null ? null : TestCounts.nullable().catch(null).parse(jsonOf(results)),
  };
}
