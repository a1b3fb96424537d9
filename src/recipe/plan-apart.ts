import { z } from "zod";
import type { Context } from "../command.ts";
import { startPrivately } from "./own-process.ts";
import type { RunPlan } from "./plan-view.ts";
import { requestWords } from "./request-words.ts";
import type { Started } from "./start.ts";

const Plan = z.object({
  plan: z.array(z.object({ call: z.string(), action: z.string(), costDollars: z.number() })),
  costDollars: z.number(),
  endsBecause: z.string().nullable(),
});

/** A recipe that waits for something of its own is not planned to its end, in milliseconds. */
const patienceMs = 10_000;

/**
 * Plans a run that has begun, as `--dry-run` does: in a process of its own, since what the recipe keeps in variables
 * must not be there twice. Undefined where that comes to nothing, as where the recipe has to ask somebody.
 */
export async function planApart(
  { world, globals, signal }: Context,
  { file, request }: Started,
): Promise<RunPlan | undefined> {
  const words = requestWords({
    // Its types were checked a moment ago.
    request: { ...request, dryRun: true, check: false, logFile: undefined, keepOnFailure: undefined },
    globals: { ...globals, json: true, quiet: true, color: false },
  });
  const child = startPrivately(world, words, {
    ...{ shown: file.name, cwd: world.cwd, env: world.env, stdout: "pipe", stderr: "ignore" },
  });
  const ending = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const end = () => child.kill("SIGKILL");
  ending.addEventListener("abort", end, { once: true });
  try {
    const ended = new Promise<void>((resolve, reject) => child.once("error", reject).once("close", () => resolve()));
    let said = "";
    for await (const chunk of child.stdout ?? []) said += String(chunk);
    await ended;
    return Plan.safeParse(JSON.parse(said)).data;
  } catch {
    return undefined; // It printed no plan; what it stumbled over, the run itself will tell.
  } finally {
    ending.removeEventListener("abort", end);
  }
}
