import type { Database } from "bun:sqlite";
import { join } from "node:path";
import type { GpuError } from "../errors.ts";
import type { World } from "../world.ts";
import { journalError, openJournalFile, openMemoryJournal } from "./journal-file.ts";
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

  startRun(run: { id: string; recipe: string | undefined }): void;
  endRun(run: { id: string; exitCode: number | undefined }): void;
  /** Newest first. */
  runs(filter?: { open?: boolean }): RunRow[];

  /** Writes down a launch before anything is sent. Throws `problem` where there is one. */
  intend(intent: Intent): Launch;
  /** Takes in a machine that runs already: its lease owns it from this commit on. Throws `problem` where there is one. */
  adopt(machine: Adopted): Launch;
  /** `INTENDED` → `SENT`: from here on a machine may exist. */
  markSent(token: string): Launch | undefined;
  /** `SENT` → `LAUNCHED`. One that was stopped or given up meanwhile becomes `STOPPING`: look at the state. */
  markLaunched(token: string, instanceId: string): Launch | undefined;
  /** Remembers that the provider shows the machine, and where it is. */
  markSeen(token: string, at?: { host: string; port: number; user: string }): void;
  /** SSH answers; in the same commit the machine passes to `owner`. `undefined`: it is being stopped. */
  markReady(token: string, owner: Owner): Launch | undefined;
  /** `LAUNCHED` only: the lease, no longer the run, keeps the machine. */
  handToLease(token: string, change?: { leaseEndsAt?: number; why?: string }): Launch | undefined;
  setLeaseEnd(token: string, leaseEndsAt: number): Launch | undefined;
  /** What a person calls it from now on. */
  rename(token: string, name: string): Launch | undefined;
  /** It is to end: what was never sent becomes `ABSENT`, the rest `STOPPING`. With an id, an ended launch opens again. */
  markStopping(token: string, why: string, instanceId?: string): Launch | undefined;
  markStopped(token: string, why: string): Launch | undefined;
  /** There is no machine and there will be none. Only where no id was ever known. */
  markAbsent(token: string, why: string): Launch | undefined;

  launch(token: string): Launch | undefined;
  /** Oldest first. `open`: may still have a machine. `endedSince`: ended after that time. */
  launches(filter?: { open?: boolean; endedSince?: number; run?: string; provider?: string }): Launch[];
  /** The secret of the agent on a machine; gone once the machine is. */
  agentToken(token: string): string | undefined;

  /** Adds a line to `gpu log`. Transitions add their own. */
  note(event: { token?: string; run?: string; kind: string; text: string }): void;
  /** Oldest first; of these the last `limit`. */
  events(filter?: { token?: string; run?: string; after?: number; since?: number; limit?: number }): EventRow[];
}

/** Opens the journal of this state folder, and makes it the first time. Never fails: see `problem`. */
export async function openJournal(world: Pick<World, "folders" | "clock">): Promise<Journal> {
  const path = join(world.folders.state, "journal.db");
  const { database, problem } = openOrRemember(path);
  return new SqliteJournal({ sql: new JournalSql(database, path), problem, now: () => world.clock.now() });
}

function openOrRemember(path: string): { database: Database; problem: GpuError | undefined } {
  try {
    return { database: openJournalFile(path), problem: undefined };
  } catch (error) {
    return { database: openMemoryJournal(), problem: journalError(path, error) };
  }
}
