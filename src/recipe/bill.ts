import type { Journal } from "../rent/journal.ts";
import { costSoFar } from "../rent/lease.ts";
import { isOpen } from "../rent/rows.ts";
import type { RunEventOf } from "../runs/events.ts";

/** What a run has cost, in US dollars, and what it leaves behind on purpose. `now` is milliseconds since 1970. */
export function billOf(
  journal: Journal,
  { run, now }: { run: string; now: number },
): Pick<RunEventOf<"ended">, "costDollars" | "kept"> {
  const launches = journal.launches({ run });
  return {
    costDollars: launches.reduce((sum, launch) => sum + costSoFar(launch, now), 0),
    kept: launches.filter((launch) => isOpen(launch) && launch.owner === "lease").map((launch) => ({
      id: launch.instanceId ?? launch.token,
      until: launch.leaseEndsAt,
      why: launch.keepWhy,
      pricePerHour: launch.pricePerHour,
    })),
  };
}
