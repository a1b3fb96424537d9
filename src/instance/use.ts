import { z } from "zod";
import type { Context } from "../command.ts";
import { Instance } from "../rent/instances.ts";

/** An instance and what it says of itself, where that was asked. */
export const UsedInstance = Instance.extend({
  gpuUtilization: z.number().nullable().describe(
    "how busy its GPUs are, in per cent; null where that is not known or not asked",
  ),
  idleMinutes: z.number().nullable().describe(
    "minutes since it was last used; null where that is not known or not asked",
  ),
  warning: z.string().nullable().describe("what its agent warns of: its lease or its idle time is nearly over"),
});
export type UsedInstance = z.output<typeof UsedInstance>;

/** Asks the agent of each running instance how it is used, all at once; one that does not answer soon says nothing. */
export async function askUse(context: Context, instances: readonly Instance[]): Promise<UsedInstance[]> {
  const { readAgentStatus } = await import("../rent/agent.ts");
  const { idleWarning } = await import("../rent/idle.ts");
  const journal = await context.journal();
  return await Promise.all(instances.map(async (instance) => {
    const launch = instance.token === null || instance.state !== "running" ? undefined : journal.launch(instance.token);
    const said = launch && await readAgentStatus(context, launch);
    return {
      ...instance,
      gpuUtilization: said?.gpuUtilization ?? null,
      idleMinutes: said?.idleMinutes === undefined ? null : Math.round(said.idleMinutes),
      // That it is to be stopped says more than that it is idle.
      warning: said?.ending ?? said?.leaseWarning ?? (launch && idleWarning(journal, launch.token)?.text) ??
        said?.idleWarning ?? null,
    };
  }));
}

/** The same without asking: what this computer itself warned of. */
export async function unasked(context: Context, instances: readonly Instance[]): Promise<UsedInstance[]> {
  const { idleWarning } = await import("../rent/idle.ts");
  const journal = await context.journal();
  return instances.map((instance) => {
    const warning = instance.token === null ? undefined : idleWarning(journal, instance.token);
    return { ...instance, gpuUtilization: null, idleMinutes: null, warning: warning?.text ?? null };
  });
}
