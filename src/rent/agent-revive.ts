import type { Context } from "../command.ts";
import { NoAgent } from "./agent-request.ts";
import { connectInstance } from "./connect.ts";
import type { Launch } from "./rows.ts";

/**
 * Asks the agent of an instance; where nobody answers it is started again first, if it was there once: cron does that
 * when an instance boots, but not everywhere, and not after a crash.
 */
export async function askReviving<T>(context: Context, launch: Launch, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof NoAgent) || !await reviveAgent(context, launch).catch(() => false)) throw error;
    return await ask();
  }
}

/** Starts an agent again that was there once, or gives it the key that it lost. Whether it runs now. */
export async function reviveAgent(context: Context, launch: Launch): Promise<boolean> {
  const { facts } = await context.provider(launch.provider);
  // A local machine sees to its own.
  if (facts.bringsAgent) return false;
  const { installAgent } = await import("./agent.ts");
  await using session = await connectInstance(context.world, launch, context.signal);
  const { state } = await installAgent(context, launch, session, { isOnlyStarted: true });
  return state !== "none";
}
