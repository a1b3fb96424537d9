import { Database } from "bun:sqlite";
import { closeSync, existsSync, openSync } from "node:fs";
import { systemCode } from "./errors.ts";

/** An exclusive lock on a file of its own. It ends with `dispose`, or the instant that its process does. */
export interface Lock extends Disposable {
  readonly path: string;
}

// A database that nothing refers to is collected, and its lock goes with it.
const held = new Set<Database>();

// Long enough for somebody's `isLocked`, which holds a shared lock for microseconds, to be over.
const waitMs = 50;

/**
 * Takes the lock, or returns `undefined` when somebody else holds it.
 * Nothing else in this process may open the file: on POSIX, closing any handle of it frees the lock.
 */
export function tryLock(path: string): Lock | undefined {
  createPrivately(path);
  const database = new Database(path, { readwrite: true, create: false });
  database.run(`PRAGMA busy_timeout = ${waitMs}`);
  try {
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  held.add(database);
  const release = () => {
    if (held.delete(database)) database.close();
  };
  return { path, [Symbol.dispose]: release };
}

/** Whether a living process holds the lock. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false;
  using database = new Database(path, { readonly: true });
  try {
    database.query("SELECT 1 FROM sqlite_master").all();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  }
}

/** Makes an empty file that is its owner's alone, where there is none. */
export function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

function isBusy(error: unknown): boolean {
  return systemCode(error)?.startsWith("SQLITE_BUSY") ?? false;
}
