import { existsSync } from "node:fs";
import { join } from "node:path";
import { spanText } from "./duration.ts";
import type { Launch } from "./rent/rows.ts";
import { oneLine } from "./safe-text.ts";
import type { World } from "./world.ts";

/** What `gpu` alone prints: three lines that say what to do next. Nothing is asked of a cloud, nothing is written. */
export async function nextSteps(world: World): Promise<string> {
  const rented = await openLaunches(world);
  const steps = rented.length > 0
    ? await stepsWith(rented, world.clock.now())
    : stepsWithout(await providerInForce(world));
  const width = Math.max(...steps.map(([command]) => command.length));
  return steps.map(([command, says]) => `${command.padEnd(width)}  # ${says}`).join("\n");
}

type Step = readonly [command: string, says: string];

async function stepsWith(rented: readonly Launch[], now: number): Promise<readonly Step[]> {
  const { labelOf } = await import("./rent/rows.ts");
  const [first] = rented;
  const isOne = rented.length === 1 && first !== undefined;
  const leftMs = Math.min(...rented.map(({ leaseEndsAt }) => leaseEndsAt - now));
  const price = rented.reduce((sum, { pricePerHour }) => sum + pricePerHour, 0).toFixed(2);
  const left = leftMs > 0
    ? `${spanText(leftMs)} ${isOne ? "left" : "left of the shortest lease"}`
    : isOne
    ? "its lease is over"
    : "a lease is over";
  const what = isOne ? `${oneLine(labelOf(first))} is rented` : `${rented.length} instances are rented`;
  return [
    ["gpu status", `${what}, $${price}/h, ${left}`],
    [isOne ? "gpu ssh" : "gpu ssh <instance>", isOne ? "a shell on it" : "a shell on one of them"],
    [isOne ? "gpu stop" : "gpu stop --all", isOne ? "give it back" : "give them back"],
  ];
}

function stepsWithout(provider: string): readonly Step[] {
  if (provider !== "local") {
    return [
      ["gpu available --free", `what ${oneLine(provider)} has now, and what it costs`],
      ["gpu start", "rent the cheapest of it: names the price and asks first"],
      ["gpu help", "all commands"],
    ];
  }
  return [
    ["gpu start", "a machine on this computer, for $0: no account is needed"],
    ["gpu run @hello", "a recipe: a script that gpu runs itself"],
    ["gpu help", "all commands; `gpu configure` sets up a cloud"],
  ];
}

/** What may be running, as the journal says. Where there is no journal none is made. */
async function openLaunches(world: World): Promise<readonly Launch[]> {
  if (!existsSync(join(world.folders.state, "journal.db"))) return [];
  const { openJournal } = await import("./rent/journal.ts");
  using journal = await openJournal(world);
  return journal.launches({ open: true });
}

/** A configuration that is broken is for the commands to speak of. */
async function providerInForce(world: World): Promise<string> {
  const { defaultProvider, loadConfig } = await import("./config.ts");
  try {
    return defaultProvider(await loadConfig(world), world, world.env.GPU_PROFILE || undefined);
  } catch {
    return "local";
  }
}
