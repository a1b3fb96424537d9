import type { Context, Plan } from "../command.ts";
import { describeSold } from "../rent/candidates.ts";
import { leaseCost } from "../rent/lease.ts";
import { choose } from "../rent/choose.ts";
import type { StartRequest } from "../rent/start.ts";

/** What a start would rent and the most it can cost, for the question before it. */
export async function planStart(context: Context, request: StartRequest): Promise<Plan> {
  const { hours, retryForMs } = request;
  const choice = await choose(context, request);
  const [first] = choice.candidates;
  if (first === undefined && retryForMs === undefined) throw describeSold(choice, request);
  // Another of the candidates may be had instead, or one that is not free yet: the dearest of them is named.
  const prices = [...choice.candidates, ...(first ? [] : choice.sold)].map(({ offer }) => offer.pricePerHour);
  const highest = Math.max(...prices);
  const what = first
    ? first.provider.name === "local" ? "a machine on this computer" : `${first.offer.type} in ${first.region}`
    : choice.sold.map(({ offer }) => offer.type).join(" or ");
  const upTo = first && highest > first.offer.pricePerHour ? `, or another for up to $${highest.toFixed(2)}/h` : "";
  const price = first?.offer.pricePerHour ?? highest;
  return {
    action: `rent ${what} for ${hours} h at $${price.toFixed(2)}/h${upTo}`,
    costDollars: leaseCost({ pricePerHour: highest, hours }),
  };
}
