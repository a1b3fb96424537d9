import { Database } from "bun:sqlite";
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { GpuError, systemCode } from "../errors.ts";
import { reasonOf } from "../files.ts";

/** How long a writer waits for another process to finish its commit. */
const busyTimeoutMs = 10_000;

/** Opens the journal's file, readable by its owner alone, with every commit on the disk before it returns. */
export function openJournalFile(path: string): Database {
  ownOnly(path);
  const database = new Database(path, { readwrite: true, create: false, strict: true });
  try {
    database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    untilFree(() => database.run("PRAGMA journal_mode = WAL"));
    database.run("PRAGMA synchronous = FULL");
    // macOS: its fsync leaves data in the drive's cache.
    database.run("PRAGMA fullfsync = ON");
    // A token that is wiped from a row is also overwritten in the file.
    database.run("PRAGMA secure_delete = ON");
    migrate(database);
    checkReadable(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Turning WAL on does not wait for other processes that do the same, whatever the busy timeout: so it is tried again. */
function untilFree(change: () => void): void {
  for (let waitedMs = 0;; waitedMs += 5) {
    try {
      return change();
    } catch (error) {
      if (!systemCode(error)?.startsWith("SQLITE_BUSY") || waitedMs >= busyTimeoutMs) throw error;
      Bun.sleepSync(5);
    }
  }
}

/** A journal in memory with the same tables, for when the file cannot be used. */
export function openMemoryJournal(): Database {
  const database = new Database(":memory:", { strict: true });
  migrate(database);
  return database;
}

/** Written by a newer `gpu`, whose rows this one cannot judge. */
export class NewerJournal extends Error {
  override name = "NewerJournal";
}

/** The journal cannot be read or written, until somebody makes room or mends it. */
export class JournalError extends GpuError {
  override name = "JournalError";
}

/** Which file a path leads to: its device and inode; undefined where there is none. */
export type FileIdentity = string;

export function identityOf(path: string): FileIdentity | undefined {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev} ${found.ino}`;
}

/** The file was removed, or another is in its place, while it was open. */
export class JournalGone extends JournalError {
  override name = "JournalGone";
}

export function journalGone(path: string): JournalGone {
  return new JournalGone(`the journal of what is rented, \`${path}\`, was removed while it was in use`, {
    hint: "nothing is rented without it; the next command makes one anew, and `gpu status` asks the providers",
  });
}

/** What went wrong with the journal, for a person. */
export function journalError(path: string, error: unknown): GpuError {
  if (error instanceof GpuError) return error;
  const code = systemCode(error);
  const reason = reasonOf(error);
  const damaged = code === "SQLITE_NOTADB" || code?.startsWith("SQLITE_CORRUPT") === true;
  const Problem = code?.startsWith("SQLITE_BUSY") === true ? GpuError : JournalError;
  return new Problem(`the journal of what is rented, \`${path}\`, cannot be used: ${reason}`, {
    hint: error instanceof NewerJournal
      ? "use the newest `gpu` on this computer; `gpu status` and `gpu stop` work with this one too"
      : damaged
      ? "`gpu status` and `gpu stop` still work; stop what is running, then move the file away to rent again"
      : "nothing is rented without it; `gpu status` and `gpu stop` still work",
    cause: error,
  });
}

/**
 * SQLite gives `-wal` and `-shm` the mode of the file itself, so making that first is enough.
 * The file is never opened here once it exists: on POSIX, closing any handle of it would free SQLite's locks.
 */
function ownOnly(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  tighten(dirname(path), 0o700);
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
  for (const file of [path, `${path}-wal`, `${path}-shm`]) tighten(file, 0o600);
}

function tighten(path: string, mode: number): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  // Changing the mode of a link changes somebody else's file.
  if (found?.isSymbolicLink()) {
    throw new GpuError(`\`${path}\` is a link`, { hint: "move it away: the journal is a file of its own" });
  }
  if (found === undefined || (found.mode & 0o777 & ~mode) === 0) return;
  chmodSync(path, mode);
}

/** Each entry takes the journal one version further. Entries are only ever added. */
const migrations = [
  `CREATE TABLE runs (
    id TEXT PRIMARY KEY, recipe TEXT, startedAt INTEGER NOT NULL, endedAt INTEGER, exitCode INTEGER
  );
  CREATE TABLE launches (
    token TEXT PRIMARY KEY, run TEXT NOT NULL, owner TEXT NOT NULL, provider TEXT NOT NULL, account TEXT, profile TEXT,
    request TEXT NOT NULL, name TEXT, type TEXT NOT NULL, region TEXT NOT NULL, pricePerHour REAL NOT NULL,
    state TEXT NOT NULL, instanceId TEXT, host TEXT, port INTEGER, user TEXT,
    hostPublicKey TEXT NOT NULL, agentToken TEXT,
    createdAt INTEGER NOT NULL, sentAt INTEGER, launchedAt INTEGER, seenAt INTEGER, readyAt INTEGER,
    leaseEndsAt INTEGER NOT NULL, stoppingAt INTEGER, stoppedAt INTEGER, keepWhy TEXT, endWhy TEXT
  );
  CREATE INDEX openLaunches ON launches (state) WHERE state NOT IN ('STOPPED', 'ABSENT');
  CREATE INDEX closedLaunches ON launches (stoppedAt) WHERE state IN ('STOPPED', 'ABSENT');
  CREATE TABLE events (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, token TEXT, run TEXT, kind TEXT NOT NULL, text TEXT NOT NULL
  );
  CREATE INDEX eventsOfLaunch ON events (token);
  CREATE INDEX eventsOfRun ON events (run);`,
];

function migrate(database: Database): void {
  if (versionOf(database) === migrations.length) return;
  database.transaction(() => {
    // Asked again inside: another process may have been first.
    const version = versionOf(database);
    if (version > migrations.length) throw new NewerJournal("a newer `gpu` wrote it");
    for (const statements of migrations.slice(version)) database.run(statements);
    database.run(`PRAGMA user_version = ${migrations.length}`);
  }).immediate();
}

function versionOf(database: Database): number {
  const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
}

/** Damage that the header does not show is found now, and not between a machine and its row. */
function checkReadable(database: Database): void {
  for (const table of ["runs", "launches"]) {
    const row = database.query<{ quick_check: string }, []>(`PRAGMA quick_check(${table})`).get();
    if (row?.quick_check !== "ok") throw new Damaged(`it is damaged (${row?.quick_check ?? "no answer"})`);
  }
}

class Damaged extends Error {
  override name = "Damaged";
  readonly code = "SQLITE_CORRUPT";
}
