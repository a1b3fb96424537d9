import { z } from "zod";
import type { Context } from "../command.ts";

export const Acted = z.object({
  id: z.string().describe("the provider's id"),
  provider: z.string().describe("where it is rented"),
});
export type Acted = z.output<typeof Acted>;

interface Meant {
  readonly instance?: string;
  readonly instanceId?: string;
}

/** Has a provider restart, pause or resume the instance that is meant, where it can. */
export async function actOn(
  { instance, instanceId }: Meant,
  context: Context,
  ability: "restart" | "pause" | "resume",
): Promise<Acted> {
  const { oneInstance } = await import("../rent/fleet.ts");
  const { requireAbility } = await import("../provider/ability.ts");
  const { id, provider: name } = await oneInstance(context, instance ?? instanceId);
  const provider = await context.provider(name);
  const act = requireAbility(provider, provider[ability], `${ability} an instance`);
  await act.call(provider, id, context.signal);
  return { id, provider: name };
}
