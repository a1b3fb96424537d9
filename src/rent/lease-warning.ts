import type { Context } from "../command.ts";
import { durationMs, spanText } from "../duration.ts";
import { messageOf } from "../errors.ts";
import { isOpen, labelOf, type Launch } from "./rows.ts";

type Telling = Pick<Context, "world" | "journal" | "config" | "note">;

/** Whose leases: all of a run, or those of instances by their launch tokens or ids. */
export interface Whose {
  readonly run?: string;
  readonly tokens?: readonly string[];
  readonly instanceIds?: readonly string[];
}

/** How often leases are looked at again: they move, and a computer that slept has lost time. */
const tickMs = 15_000;

/** Says in time that a lease is about to end, until disposed; once for each end that a lease is given. */
export function warnBeforeEnd(context: Telling, whose: Whose): Disposable {
  const over = new AbortController();
  const said = new Set<string>();
  const go = async () => {
    const warnMs = await warnTimeMs(context);
    const journal = await context.journal();
    const { clock } = context.world;
    while (!over.signal.aborted) {
      const launches = findLaunches(journal.launches({ open: true, run: whose.run }), whose);
      for (const launch of launches.filter((launch) => isEndingSoon(launch, { now: clock.now(), warnMs }))) {
        const key = `${launch.token} ${launch.leaseEndsAt}`;
        if (!said.has(key)) context.note(warning(launch, clock.now()));
        said.add(key);
      }
      const times = launches.map((launch) => warnAt(launch, warnMs) - clock.now()).filter((ms) => ms > 0);
      await clock.sleep(Math.min(tickMs, ...times), over.signal);
    }
  };
  // A journal that cannot be read any more is told by those who need it.
  go().catch((error) => over.signal.aborted || context.note(`warning: leases are not watched: ${messageOf(error)}`));
  return { [Symbol.dispose]: () => over.abort(new Error("nobody is attached any more")) };
}

/** Says now which of these leases are about to end. */
export async function noteEndingLeases(context: Telling, whose: Whose): Promise<void> {
  const now = context.world.clock.now();
  const warnMs = await warnTimeMs(context);
  const launches = findLaunches((await context.journal()).launches({ open: true, run: whose.run }), whose);
  for (const launch of launches) if (isEndingSoon(launch, { now, warnMs })) context.note(warning(launch, now));
}

/** How long before its end a lease is warned of, in milliseconds. */
export async function warnTimeMs({ config }: Pick<Telling, "config">): Promise<number> {
  return durationMs((await config()).lease.warn ?? "10m");
}

function findLaunches(launches: readonly Launch[], { tokens, instanceIds }: Whose): Launch[] {
  return launches.filter((launch) =>
    isOpen(launch) && launch.state !== "STOPPING" && (tokens?.includes(launch.token) ?? true) &&
    (instanceIds?.includes(launch.instanceId ?? "") ?? true)
  );
}

/** When a lease is warned of, in milliseconds since 1970: one that is short as a whole when half of it is over. */
export function warnAt(
  { createdAt, leaseEndsAt }: Pick<Launch, "createdAt" | "leaseEndsAt">,
  warnMs: number,
): number {
  return leaseEndsAt - Math.min(warnMs, (leaseEndsAt - createdAt) / 2);
}

function isEndingSoon(launch: Launch, { now, warnMs }: { now: number; warnMs: number }): boolean {
  return now >= warnAt(launch, warnMs);
}

function warning({ instanceId, token, name, leaseEndsAt }: Launch, now: number): string {
  const id = instanceId ?? token;
  const left = leaseEndsAt <= now ? "is over" : `ends in ${spanText(leaseEndsAt - now)}`;
  return `warning: the lease of ${labelOf({ instanceId, token, name })} ${left}, and then it is stopped; ` +
    `\`gpu extend 1 ${id}\` gives it an hour more`;
}
