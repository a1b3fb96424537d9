import { connectTarget } from "../hosts/connect.ts";
import type { Selections } from "./selections.ts";
import { sessionKey } from "./session-key.ts";
import type { Sessions } from "./sessions.ts";
import type { SharedSessions } from "./shared-sessions.ts";

interface Between {
  /** Tells who asked that it is done here. */
  commit(): Promise<void>;
  decline(why: string): void;
}

/** The sessions of this process, for what runs here for another. */
export function sharingOf(
  { sessions, selections }: { readonly sessions: Sessions; readonly selections: Selections },
  { commit, decline }: Between,
): SharedSessions {
  return {
    decline,
    async select(context, selection, resolve) {
      const known = selections.find(context, selection);
      // Where there is no session any more, what it was for may be gone too.
      if (known && sessions.has(sessionKey(known, context.world))) return [known];
      const targets = await resolve();
      const [only, ...others] = targets;
      if (only === undefined || others.length > 0) decline("several machines are meant");
      else selections.keep(context, selection, only);
      return targets;
    },
    async lease(context, target, signal) {
      await commit();
      return await sessions.lease(
        sessionKey(target, context.world),
        () => connectTarget(context, target, signal),
        signal,
      );
    },
  };
}
