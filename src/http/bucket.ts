import { Database } from "bun:sqlite";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../errors.ts";
import { makePrivateFolder } from "../files.ts";
import { createPrivately } from "../lock.ts";
import type { World } from "../world.ts";

/** One thing every so often, for all processes of this computer together, first come first served. */
export interface Bucket {
  /** Waits for its turn; rejects with the signal's reason, and its place in the queue is free again. */
  take(options?: TakeOptions): Promise<void>;
  /** From now on nobody's turn comes for `ms` milliseconds: the other side said that it was too much. */
  pause(ms: number): Promise<void>;
  /** How many milliseconds it is until a turn can come; 0: now. Takes none, and makes no file where there is none. */
  left(): Promise<number>;
}

export interface TakeOptions {
  readonly signal?: AbortSignal;
  /** Says, about once a second, how long it may still take and how many are before. */
  readonly onWait?: (wait: { readonly ms: number; readonly ahead: number }) => void;
}

/** Whoever waits says so this often. */
const heartbeatMs = 1_000;
/** Whoever has not said so for as long is dead, and its place is given away. */
const deadMs = 5_000;

/** The bucket of that name: where two processes use the same name, `everyMs` should be the same too. */
export function openBucket(
  world: Pick<World, "clock" | "folders">,
  { name, everyMs }: { name: string; everyMs: number },
): Bucket {
  const queue = new Queue({ path: join(world.folders.state, "rates.db"), name, everyMs });
  const { clock } = world;
  return {
    async take({ signal, onWait } = {}) {
      const ticket: Ticket = { id: undefined };
      try {
        for (;;) {
          signal?.throwIfAborted();
          const { ms, ahead } = await queue.step(ticket, clock.now());
          if (ms === 0) return;
          onWait?.({ ms, ahead });
          await clock.sleep(Math.min(ms, heartbeatMs), signal);
        }
      } catch (error) {
        await queue.leave(ticket);
        throw error;
      }
    },
    pause: (ms) => queue.pause(ms, clock.now()),
    left: () => queue.left(clock.now()),
  };
}

/** A place in the queue; no number before the first step, and a new one when the old was given away. */
interface Ticket {
  id: number | undefined;
}

/**
 * Kept in a small database that all processes write. A turn is taken when it comes and not reserved before, so a
 * process that is killed while it waits costs the others nothing but the moment until it counts as dead.
 */
class Queue {
  readonly #path: string;
  readonly #name: string;
  readonly #everyMs: number;
  #opened: Promise<Database> | undefined;

  constructor({ path, name, everyMs }: { path: string; name: string; everyMs: number }) {
    this.#path = path;
    this.#name = name;
    this.#everyMs = everyMs;
  }

  /** One look: 0 milliseconds left means that the turn came and is taken. */
  step(ticket: Ticket, now: number): Promise<{ ms: number; ahead: number }> {
    return this.#change((database) => {
      const nextAt = this.#nextAt(database, now);
      const ahead = this.#queueUp(database, { ticket, now });
      if (ahead === 0 && nextAt <= now) {
        this.#setNextAt(database, { nextAt: now + this.#everyMs, now });
        database.run("DELETE FROM waiting WHERE id = ?", [ticket.id ?? 0]);
        return { ms: 0, ahead };
      }
      return { ms: Math.max(1, nextAt - now) + ahead * this.#everyMs, ahead };
    });
  }

  async leave({ id }: Ticket): Promise<void> {
    if (id === undefined) return;
    await this.#change((database) => void database.run("DELETE FROM waiting WHERE id = ?", [id]));
  }

  pause(ms: number, now: number): Promise<void> {
    return this.#change((database) => {
      this.#setNextAt(database, { nextAt: Math.max(this.#nextAt(database, now), now + ms), now });
    });
  }

  async left(now: number): Promise<number> {
    if (!existsSync(this.#path) && this.#opened === undefined) return 0;
    return await this.#change((database) => Math.max(0, this.#nextAt(database, now) - now));
  }

  /** Takes or keeps a place, clears those of the dead, and returns how many are before. */
  #queueUp(database: Database, { ticket, now }: { ticket: Ticket; now: number }): number {
    database.run("DELETE FROM waiting WHERE abs(aliveAt - ?) > ? AND id IS NOT ?", [now, deadMs, ticket.id ?? null]);
    const kept = ticket.id !== undefined &&
      database.run("UPDATE waiting SET aliveAt = ? WHERE id = ?", [now, ticket.id]).changes === 1;
    if (!kept) {
      const { lastInsertRowid } = database.run("INSERT INTO waiting (name, aliveAt) VALUES (?, ?)", [this.#name, now]);
      ticket.id = Number(lastInsertRowid);
    }
    return database.query<{ ahead: number }, [string, number]>(
      "SELECT count(*) AS ahead FROM waiting WHERE name = ? AND id < ?",
    ).get(this.#name, ticket.id ?? 0)?.ahead ?? 0;
  }

  #nextAt(database: Database, now: number): number {
    const rate = database.query<{ nextAt: number; writtenAt: number }, [string]>(
      "SELECT nextAt, writtenAt FROM rates WHERE name = ?",
    ).get(this.#name);
    if (!rate) return 0;
    if (now >= rate.writtenAt) return rate.nextAt;
    // The clock was set back: what counts is how far away it was when it was written.
    const nextAt = now + rate.nextAt - rate.writtenAt;
    this.#setNextAt(database, { nextAt, now });
    return nextAt;
  }

  #setNextAt(database: Database, { nextAt, now }: { nextAt: number; now: number }): void {
    database.run("INSERT OR REPLACE INTO rates (name, nextAt, writtenAt) VALUES (?, ?, ?)", [this.#name, nextAt, now]);
  }

  /** A full disk or a damaged file must not keep anybody from stopping a machine: this process then counts alone. */
  async #change<T>(change: (database: Database) => T): Promise<T> {
    try {
      return write(await (this.#opened ??= openFile(this.#path)), change);
    } catch (error) {
      const code = systemCode(error) ?? "";
      // Made anew by the next process; what this one knows of the rate is lost with it.
      if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) rmSync(this.#path, { force: true });
      this.#opened = Promise.resolve(withTables(new Database(":memory:")));
      return write(await this.#opened, change);
    }
  }
}

async function openFile(path: string): Promise<Database> {
  await makePrivateFolder(join(path, ".."));
  createPrivately(path);
  const database = new Database(path, { readwrite: true, create: false });
  // What a power cut takes away here is not worth the wait for a disk.
  database.run("PRAGMA busy_timeout = 2000; PRAGMA synchronous = OFF");
  return withTables(database);
}

function withTables(database: Database): Database {
  database.run(
    `CREATE TABLE IF NOT EXISTS rates (name TEXT PRIMARY KEY, nextAt INTEGER NOT NULL, writtenAt INTEGER NOT NULL);
     CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, aliveAt INTEGER NOT NULL);`,
  );
  return database;
}

/** In one transaction that no other process is in. */
function write<T>(database: Database, change: (database: Database) => T): T {
  return database.transaction(() => change(database)).immediate();
}
