// What the background process starts to find idle instances: it asks them, prints what it found, and ends.
import { exitCodes } from "./errors.ts";
import type { World } from "./world.ts";

/** Looks once at all instances, and prints after how many milliseconds to look again. Returns the exit code. */
export async function runIdleLook(world: World, signal: AbortSignal): Promise<number> {
  const { openContext } = await import("./context.ts");
  const { providerRegistry } = await import("./provider/registry.ts");
  const { lookForIdle } = await import("./rent/idle.ts");
  const { openJournal } = await import("./rent/journal.ts");
  const { defaultGlobals } = await import("./surface/globals.ts");
  const { derive } = await import("./surface/child.ts");
  using journal = await openJournal(world);
  await using opened = openContext({
    world,
    signal,
    globals: { ...defaultGlobals, quiet: true },
    entries: [],
    registry: providerRegistry,
    isUnheard: true,
    invoke: () => Promise.resolve(exitCodes.bug),
  });
  // Its own journal: opening the context's would call the background process that waits for this answer.
  const look = await lookForIdle(derive(opened.context, { journal: () => Promise.resolve(journal) }));
  await world.terminal.stdout.write(`${JSON.stringify(look)}\n`);
  return exitCodes.done;
}
