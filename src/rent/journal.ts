import type { Database } from "bun:sqlite";
import { join } from "node:path";
import type { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { type FileIdentity, identityOf, journalError, openJournalFile, openMemoryJournal } from "./journal-file.ts";
import type { EventFilter, LaunchFilter } from "./journal-queries.ts";
import { JournalSql } from "./journal-sql.ts";
import { SqliteJournal } from "./journal-rows.ts";
import type { Adopted, EventRow, Intent, Launch, Owner, RunRow } from "./rows.ts";

/**
 * What was rented, on disk before it is rented. Every method is one commit, and many processes use it at once, so each
 * transition names the states it may start from: the launch comes back as it is now, or `undefined` where it had moved on.
 */
export interface Journal extends Disposable {
  readonly path: string;
  /** Why the file cannot be used. The journal then lives in memory: it refuses to rent and never to stop. */
  readonly problem: GpuError | undefined;
  /** Throws `JournalGone` where its file was removed since; reading goes on, every write throws the same. */
  checkFile(): void;
  /** Launches whose machines this process has seen gone, and could not write that down. */
  readonly untold: Set<string>;

  startRun(run: { id: string; recipe: string | undefined }): void;
  endRun(run: { id: string; exitCode: number | undefined }): void;
  /** Newest first. */
  runs(filter?: { open?: boolean }): RunRow[];

  /**
   * Writes down a launch before anything is sent. Throws `problem` where there is one. `allow` throws where it may not be:
   * it reads this journal inside the commit, so no other process writes between its answer and the row.
   */
  intend(intent: Intent, allow?: () => void): Launch;
  /** Takes in a machine that runs already: its lease owns it from this commit on. Otherwise as `intend`. */
  adopt(machine: Adopted, allow?: () => void): Launch;
  /** `INTENDED` → `SENT`: from here on a machine may exist. */
  markSent(token: string): Launch | undefined;
  /**
   * `SENT` → `LAUNCHED`. One that was stopped or given up meanwhile becomes `STOPPING`: look at the state. It costs since
   * `at`, milliseconds since 1970; where the answer was lost, at the earliest since its request was sent.
   */
  markLaunched(token: string, instanceId: string, at?: number): Launch | undefined;
  /** Remembers that the provider shows the machine, and where it is. */
  markSeen(token: string, at?: { host: string; port: number; user: string }): void;
  /** SSH answers; in the same commit the machine passes to `owner`. `undefined`: it is being stopped. */
  markReady(token: string, owner: Owner): Launch | undefined;
  /** `LAUNCHED` only: the lease, no longer the run, keeps the machine. */
  handToLease(token: string, change?: { leaseEndsAt?: number; why?: string }): Launch | undefined;
  /** `LAUNCHED` only, and kept by its lease: from this commit on it belongs to a run that goes on with it. */
  handToRun(token: string, run: string): Launch | undefined;
  setLeaseEnd(token: string, leaseEndsAt: number): Launch | undefined;
  /** The same, where `to` says in the commit when it ends, from what the journal says then; it throws where it may not. */
  moveLeaseEnd(token: string, to: (launch: Launch) => number): Launch | undefined;
  /** What a person calls it from now on. */
  rename(token: string, name: string): Launch | undefined;
  /** It is to end: what was never sent becomes `ABSENT`, the rest `STOPPING`. With an id, an ended launch opens again. */
  markStopping(token: string, why: string, instanceId?: string): Launch | undefined;
  /** It costs until `at`, milliseconds since 1970; until now when left out. */
  markStopped(token: string, why: string, at?: number): Launch | undefined;
  /** There is no machine and there will be none. Only where no id was ever known. */
  markAbsent(token: string, why: string): Launch | undefined;
  /** A launch that may have a machine is no longer watched, and never looked for again. `text` is for `gpu log`. */
  forget(token: string, text: string): Launch | undefined;

  launch(token: string): Launch | undefined;
  /** Oldest first. */
  launches(filter?: LaunchFilter): Launch[];
  /** The secret of the agent on a machine; gone once the machine is. */
  agentToken(token: string): string | undefined;

  /** Adds a line to `gpu log`. Transitions add their own. */
  note(event: { token?: string; run?: string; kind: string; text: string }): void;
  /** Oldest first; of these the last `limit`. */
  events(filter?: EventFilter): EventRow[];
}

/** Opens the journal of this state folder, and makes it the first time. Never fails: see `problem`. */
export async function openJournal(world: Pick<World, "folders" | "clock" | "trace">): Promise<Journal> {
  const path = join(world.folders.state, "journal.db");
  const { database, identity, problem } = openOrRemember(path);
  return new SqliteJournal({
    sql: new JournalSql(database, path, identity),
    problem,
    now: () => world.clock.now(),
    trace: world.trace,
  });
}

interface OpenedFile {
  readonly database: Database;
  /** Undefined for the one in memory. */
  readonly identity: FileIdentity | undefined;
  readonly problem: GpuError | undefined;
}

function openOrRemember(path: string): OpenedFile {
  try {
    return { database: openJournalFile(path), identity: identityOf(path), problem: undefined };
  } catch (error) {
    return { database: openMemoryJournal(), identity: undefined, problem: journalError(path, error) };
  }
}
