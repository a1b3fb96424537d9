import type { Place } from "../../command.ts";
import type { Emulator } from "../../emulate/lambda.ts";
import { loadProvider } from "../../provider/registry.ts";
import type { Journal } from "../../rent/journal.ts";
import { reconcile } from "../../rent/reconcile.ts";
import { isOpen, labelOf, type Launch } from "../../rent/rows.ts";
import { isRunAlive } from "../../rent/run.ts";
import type { TestedInstance } from "./test-recipe.ts";

/** A machine that still ran when everything was given back. */
export interface Left {
  readonly id: string;
  readonly why: string;
}

/** A machine that the recipe kept on purpose. Time in milliseconds since 1970. */
export interface KeptOn {
  readonly name: string;
  readonly until: number;
  readonly why: string;
}

export interface Remains {
  readonly left: readonly Left[];
  readonly kept: readonly KeptOn[];
  readonly instances: readonly TestedInstance[];
  /** What it would have cost, in US dollars. */
  readonly costDollars: number;
}

/** Longer than an emulated cloud hides an instance whose answer was lost, so that it can be found and stopped. */
const patienceMs = 30_000;
const pollMs = 50;

/**
 * Waits for what the next commands would do after a run: instances whose launch was never answered are looked for and
 * stopped. What then still runs was left behind.
 */
export async function findLeft(
  place: Place,
  { emulator, signal }: { emulator: Emulator | undefined; signal: AbortSignal },
): Promise<Remains> {
  const { openJournal } = await import("../../rent/journal.ts");
  const { world } = place;
  using journal = await openJournal(world);
  const provider = (name: string) => loadProvider(place.registry, name, world);
  const running = emulator ? () => Promise.resolve(runningIn(emulator)) : async () => {
    const listed = await (await provider("local")).list();
    return listed.filter(({ state }) => state !== "stopped").map(({ id }) => id);
  };
  const deadline = world.clock.now() + patienceMs;
  for (;;) {
    const ids = await running();
    const left = ids.filter((id) => !isKept(findLaunch(journal, id), world.clock.now()));
    if (left.length === 0 || world.clock.now() > deadline || signal.aborted) {
      const launches = journal.launches();
      return {
        left: left.map((id) => ({ id, why: whyLeft(findLaunch(journal, id)) })),
        kept: launches.filter((launch) =>
          ids.includes(launch.instanceId ?? "") && !left.includes(launch.instanceId ?? "")
        )
          .map((launch) => ({
            name: labelOf(launch),
            until: launch.leaseEndsAt,
            why: launch.keepWhy ?? "its lease goes on",
          })),
        instances: launches.filter(({ instanceId }) => instanceId !== null).map(instanceOf),
        costDollars: emulator ? costOf(emulator) : 0,
      };
    }
    await reconcile({ world, journal, provider, isRunAlive: (run) => isRunAlive(world, run) });
    await world.clock.sleep(pollMs);
  }
}

/** Exact: the bill itself counts whole cents. */
function costOf(emulator: Emulator): number {
  const lines = emulator.bill().instances;
  return lines.reduce((sum, line) => sum + line.price_cents_per_hour / 100 * line.seconds / 3600, 0);
}

function instanceOf(launch: Launch): TestedInstance {
  const { name, type, region, provider, pricePerHour, createdAt, leaseEndsAt, keepWhy } = launch;
  // To the second: the lease begins a moment before its row is written.
  const leaseHours = Math.round((leaseEndsAt - createdAt) / 1000) / 3600;
  return { id: launch.instanceId ?? "", name, type, region, provider, pricePerHour, leaseHours, keptWhy: keepWhy };
}

function runningIn(emulator: Emulator): string[] {
  return emulator.bill().instances
    .filter(({ status }) => status !== "terminated" && status !== "terminating").map(({ id }) => id);
}

function findLaunch(journal: Journal, id: string): Launch | undefined {
  return journal.launches().findLast(({ instanceId }) => instanceId === id);
}

/** `keep()`, or a lease that somebody asked for: on a real cloud its end stops it. */
function isKept(launch: Launch | undefined, now: number): boolean {
  return launch !== undefined && isOpen(launch) && launch.state === "LAUNCHED" && launch.owner === "lease" &&
    launch.leaseEndsAt > now;
}

function whyLeft(launch: Launch | undefined): string {
  if (launch === undefined) return "the journal does not know it";
  return `the journal calls it ${launch.state}${launch.endWhy === null ? "" : `, ${launch.endWhy}`}`;
}
