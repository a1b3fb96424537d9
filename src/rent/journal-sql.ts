import type { Database } from "bun:sqlite";
import { z } from "zod";
import { systemCode } from "../errors.ts";
import { type FileIdentity, identityOf, journalError, journalGone } from "./journal-file.ts";

/** Values for the `@names` of a statement. */
export type Bindings = Record<string, string | number | null>;

/** The journal's database: rows meet their schema here, and what SQLite reports becomes an error for a person. */
export class JournalSql implements Disposable {
  readonly path: string;
  readonly #database: Database;
  readonly #identity: FileIdentity | undefined;

  /** `identity` is that of the file that was opened; none of a journal in memory. */
  constructor(database: Database, path: string, identity?: FileIdentity) {
    this.#database = database;
    this.path = path;
    this.#identity = identity;
  }

  /** Throws where the file is no longer at its path: SQLite writes on into one that was removed, and nobody reads it. */
  checkFile(): void {
    if (this.#identity !== undefined && this.#identity !== identityOf(this.path)) throw journalGone(this.path);
  }

  /** Returns how many rows changed. */
  run(sql: string, bindings: Bindings): number {
    return this.#guard(() => this.#database.query<unknown, Bindings[]>(sql).run(bindings).changes);
  }

  all<T extends z.ZodType>(row: T, sql: string, bindings: Bindings = {}): z.output<T>[] {
    return this.#guard(() =>
      this.#database.query<unknown, Bindings[]>(sql).all(bindings).map((found) => row.parse(found))
    );
  }

  /** Takes the write lock first, so that what is read inside cannot change before it is written. */
  commit<T>(work: () => T): T {
    return this.#guard(() =>
      this.#database.transaction(() => {
        this.checkFile();
        return work();
      }).immediate()
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const isJournals = systemCode(error)?.startsWith("SQLITE_") === true || error instanceof z.ZodError;
      throw isJournals ? journalError(this.path, error) : error;
    }
  }
}

/** `WHERE a AND b` of the conditions that are there. */
export function whereAll(conditions: readonly (string | false | undefined)[]): string {
  const said = conditions.filter((condition) => typeof condition === "string" && condition !== "");
  return said.length === 0 ? "" : `WHERE ${said.join(" AND ")}`;
}
