import { Database } from "bun:sqlite";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Job, JobFilter } from "./job.ts";

export interface NewJob {
  readonly id: string;
  readonly args: readonly string[];
  readonly idempotencyKey: string | undefined;
}

interface Row {
  job_id: string;
  status: string;
  success: number | null;
  start_time: string | null;
  end_time: string | null;
}

const columns = "job_id, status, success, start_time, end_time";

/** The server's jobs, in SQLite in its data folder; they outlive a restart. */
export class JobStore implements Disposable {
  readonly #db: Database;

  constructor(dataFolder: string) {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const path = join(dataFolder, "jobs.db");
    // SQLite would make it readable for everybody.
    writeFileSync(path, "", { flag: "a", mode: 0o600 });
    chmodSync(path, 0o600);
    this.#db = new Database(path, { strict: true });
    this.#db.run("PRAGMA journal_mode = WAL");
    this.#db.run("PRAGMA busy_timeout = 5000");
    this.#db.run(`CREATE TABLE IF NOT EXISTS jobs (
      job_id TEXT PRIMARY KEY, status TEXT NOT NULL, success INTEGER, start_time TEXT, end_time TEXT,
      created_at TEXT NOT NULL, args TEXT NOT NULL, idempotency_key TEXT UNIQUE)`);
  }

  /** Jobs that a server which is gone left open: they will never end, so they are marked `lost`. Returns their ids. */
  markLost(nowIso: string): string[] {
    return this.#db.query<{ job_id: string }, [string]>(
      `UPDATE jobs SET status = 'lost', success = 0, end_time = ? WHERE status IN ('queued', 'running') RETURNING job_id`,
    ).all(nowIso).map(({ job_id }) => job_id);
  }

  /** Adds a job, unless its idempotency key is known: then that key's job is meant. */
  add(job: NewJob, nowIso: string): { id: string; isNew: boolean } {
    return this.#db.transaction(() => {
      const known = this.findByKey(job.idempotencyKey);
      if (known !== undefined) return { id: known, isNew: false };
      this.#db.run(
        "INSERT INTO jobs (job_id, status, created_at, args, idempotency_key) VALUES (?, 'queued', ?, ?, ?)",
        [job.id, nowIso, JSON.stringify(job.args), job.idempotencyKey ?? null],
      );
      return { id: job.id, isNew: true };
    }).immediate();
  }

  findByKey(key: string | undefined): string | undefined {
    if (key === undefined) return undefined;
    return this.#db.query<{ job_id: string }, [string]>("SELECT job_id FROM jobs WHERE idempotency_key = ?").get(key)
      ?.job_id;
  }

  begin(id: string, nowIso: string): void {
    this.#db.run("UPDATE jobs SET status = 'running', start_time = ? WHERE job_id = ?", [nowIso, id]);
  }

  end(
    id: string,
    { status, success, nowIso }: { status: "completed" | "cancelled"; success: boolean; nowIso: string },
  ): void {
    this.#db.run("UPDATE jobs SET status = ?, success = ?, end_time = ? WHERE job_id = ?", [
      status,
      success ? 1 : 0,
      nowIso,
      id,
    ]);
  }

  find(id: string): Job | undefined {
    const row = this.#db.query<Row, [string]>(`SELECT ${columns} FROM jobs WHERE job_id = ?`).get(id);
    return row === null ? undefined : jobOf(row);
  }

  /** Newest first; jobs that have not begun come last. */
  list({ status, since, q, limit }: JobFilter = {}): Job[] {
    const pattern = q === undefined ? null : `%${q.replace(/[\\%_]/g, "\\$&")}%`;
    return this.#db.query<Row, (string | number | null)[]>(
      `SELECT ${columns} FROM jobs
       WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR start_time IS NULL OR start_time >= ?2)
         AND (?3 IS NULL OR job_id LIKE ?3 ESCAPE '\\' OR status LIKE ?3 ESCAPE '\\')
       ORDER BY start_time IS NULL, start_time DESC, created_at DESC, rowid DESC LIMIT ?4`,
    ).all(status ?? null, since ?? null, pattern, limit ?? -1).map(jobOf);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function jobOf(row: Row): Job {
  return { ...row, success: row.success === null ? null : row.success === 1 };
}
