import type { Context } from "../command.ts";
import type { Selection, Target } from "../hosts/target.ts";
import type { SessionLease } from "./sessions.ts";

/** Sessions that outlive an invocation. Only what the background process runs for others has them. */
export interface SharedSessions {
  /** The machines that are meant: those of `resolve`, remembered while nothing changed that they were found in. */
  select(context: Context, selection: Selection, resolve: () => Promise<Target[]>): Promise<Target[]>;
  /** A session with the target: one that is there, or a new one that stays for a while. */
  lease(context: Context, target: Target, signal: AbortSignal): Promise<SessionLease>;
  /** Leaves the work to the process that asked for it, unless it began. */
  decline(why: string): void;
}

/** Thrown to leave work to the process that asked for it; nobody sees it. */
export class Declined extends Error {
  override name = "Declined";
}
