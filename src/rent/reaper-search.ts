import { messageOf } from "../errors.ts";
import type { ReaperOptions } from "./reaper.ts";
import { judge } from "./reconcile.ts";
import { carriesToken } from "./renting.ts";
import type { Launch } from "./rows.ts";

/** More than a search takes at any provider, in milliseconds. */
export const longestSearchMs = 2 * 3_600_000;

/** For how many settle windows a machine is still looked for that was given up; later commands do it for a day. */
const windows = 4;
const firstPauseMs = 1_000;
const pauseAfterFailureMs = 60_000;

/**
 * Looks for the machine of a launch that seems to have made none: it may appear after all, and no command may ever run
 * again that would see it. Resolves with whether it was found; then the journal says that it is to end.
 */
export async function searchGivenUp(
  { world, journal, provider: providerOf, log }: ReaperOptions,
  launch: Launch,
  signal: AbortSignal,
): Promise<boolean> {
  const { token, stoppedAt } = launch;
  const givenUpAt = stoppedAt ?? world.clock.now();
  let untilMs = givenUpAt + longestSearchMs;
  let pauseMs = firstPauseMs;
  while (world.clock.now() < untilMs && !signal.aborted) {
    await world.clock.sleep(pauseMs, signal).catch(() => {});
    try {
      const provider = await providerOf(launch);
      const { settleMs } = provider.facts;
      untilMs = givenUpAt + windows * settleMs;
      pauseMs = settleMs / 2;
      const listed = await provider.list(signal);
      const { verdict, why } = judge(launch, { listed, now: givenUpAt, settleMs, isRunAlive: () => true });
      if (verdict !== "stop") continue;
      journal.markStopping(token, why, listed.find((instance) => carriesToken(instance, token))?.id);
      return true;
    } catch (error) {
      log(`${token}: cannot be looked for: ${messageOf(error)}`);
      pauseMs = pauseAfterFailureMs;
    }
  }
  return false;
}
