import { Database } from "bun:sqlite";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { GpuError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { createPrivately } from "../../lock.ts";

/** The one file of a CI server's jobs, users and keys, in its data folder. */
export const databaseName = "jobs.db";

/** The version of the tables, as `PRAGMA user_version`. */
const version = 2;

const tables = `
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, status TEXT NOT NULL, success INTEGER, start_time TEXT, end_time TEXT,
  created_at TEXT NOT NULL, args TEXT NOT NULL, name TEXT, tags TEXT NOT NULL, idempotency_key TEXT, results TEXT,
  artifacts TEXT NOT NULL, UNIQUE (user_id, idempotency_key)
);
CREATE INDEX jobs_by_user ON jobs (user_id, start_time DESC);
CREATE INDEX jobs_by_status ON jobs (status);
CREATE TABLE users (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE COLLATE NOCASE, is_active INTEGER NOT NULL,
  is_admin INTEGER NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE keys (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
  begins TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT, last_used_at TEXT, revoked_at TEXT
);
CREATE INDEX keys_by_user ON keys (user_id);`;

/** Opens the database of a data folder, which several processes may have open. It is made where there is none. */
export function openDatabase(dataFolder: string): Database {
  const path = join(dataFolder, databaseName);
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    // SQLite would make it readable for everybody.
    createPrivately(path);
    chmodSync(path, 0o600);
    const database = new Database(path, { strict: true });
    database.run("PRAGMA busy_timeout = 10000");
    database.run("PRAGMA journal_mode = WAL");
    // What is committed outlives the process; only a computer that loses its power may lose the last moment.
    database.run("PRAGMA synchronous = NORMAL");
    database.run("PRAGMA foreign_keys = ON");
    database.transaction(() => makeTables(database, path)).immediate();
    return database;
  } catch (error) {
    if (error instanceof GpuError) throw error;
    throw new GpuError(`cannot open the CI server's data in \`${dataFolder}\`: ${reasonOf(error)}`, {
      hint: "`--data` names another folder",
      cause: error,
    });
  }
}

/** The same where there must be one already: who administers it names the wrong folder otherwise. */
export function openExistingDatabase(dataFolder: string): Database {
  if (existsSync(join(dataFolder, databaseName))) return openDatabase(dataFolder);
  throw new GpuError(`there is no CI server's data in \`${dataFolder}\``, {
    hint: "`--data` names the folder that `gpu ci serve` was started with; `gpu ci user create` makes a new one",
  });
}

function makeTables(database: Database, path: string): void {
  const found = database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  if (found > version) {
    throw new GpuError(`\`${path}\` was written by a newer gpu`, { hint: "use that one, or another `--data`" });
  }
  if (found === version) return;
  const isNew = database.query("SELECT 1 FROM sqlite_master").get() === null;
  const isOld = database.query("SELECT 1 FROM pragma_table_info('jobs') WHERE name = 'idempotency_key'").get() !== null;
  if (!isNew && !isOld) {
    throw new GpuError(`\`${path}\` is the database of another program`, { hint: "`--data` names another folder" });
  }
  if (isOld) database.run("ALTER TABLE jobs RENAME TO jobs_1");
  database.run(tables);
  if (isOld) {
    database.run(
      `INSERT INTO jobs SELECT job_id, '', status, success, start_time, end_time, created_at, args, NULL, '[]',
      idempotency_key, NULL, '[]' FROM jobs_1`,
    );
    database.run("DROP TABLE jobs_1");
  }
  database.run(`PRAGMA user_version = ${version}`);
}
