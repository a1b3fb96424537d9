import type { Context } from "../command.ts";
import { messageOf } from "../errors.ts";
import { labelOf } from "../rent/rows.ts";
import { firstLineOf } from "../runs/text.ts";

/** Hands what a run owns to its leases, which end so many hours from now. What cannot be kept is given back. */
export async function keepAfterFailure(
  context: Context,
  { hours, why }: { hours: number; why: string },
): Promise<void> {
  const { world, note } = context;
  const journal = await context.journal();
  const { keepInstance } = await import("../rent/keep.ts");
  const { tellMachine } = await import("../rent/extend.ts");
  // The summary of the run says what it kept.
  for (const launch of journal.launches({ open: true, run: context.run.reserved() })) {
    if (launch.owner !== "run" || launch.state !== "LAUNCHED" || launch.readyAt === null) continue;
    const label = labelOf(launch);
    try {
      await keepInstance({
        ...{ world, journal, token: launch.token, hours, why: `its run failed: ${firstLineOf(why)}` },
        provider: await context.provider(launch.provider),
        tell: (leaseEndsAt) => tellMachine(context, launch, leaseEndsAt),
      });
    } catch (error) {
      note(`warning: ${label} could not be kept: ${messageOf(error)}`);
    }
  }
}
