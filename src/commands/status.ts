import { z } from "zod";
import { defineCommand, type Table } from "../command.ts";
import { minutesText } from "../duration.ts";
import { Instance } from "../rent/instances.ts";

export default defineCommand({
  name: "status",
  summary: "Show what is rented now",
  effect: "read",
  examples: [
    { command: "gpu status", says: "all instances" },
    { command: "gpu status --json | jq '.[].id'", says: "for a program" },
  ],
  input: z.object({
    instance: z.string().optional().meta({
      positional: true,
      complete: "instance",
      description: "only this one: id, unique beginning of an id, or name",
    }),
    instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "the same, as a flag" }),
  }),
  output: z.array(Instance),
  async run({ instance, instanceId }, context) {
    const { allInstances, oneInstance } = await import("../rent/fleet.ts");
    const selector = instance ?? instanceId;
    return selector === undefined ? await allInstances(context) : [await oneInstance(context, selector)];
  },
  view: (instances, { now }) => instanceTable(instances, now),
});

function instanceTable(instances: readonly Instance[], now: number): Table {
  return {
    columns: ["id", "name", "provider", "type", "state", "address", "uptime", "lease left", "cost"],
    rows: instances.map((instance) => [
      instance.id,
      instance.name ?? "-",
      instance.provider,
      instance.type,
      instance.owner === "unknown" ? `${instance.state} (not from this computer)` : instance.state,
      instance.address ? `${instance.address.host}:${instance.address.port}` : "-",
      instance.launchedAt ? minutesText((now - Date.parse(instance.launchedAt)) / 60_000) : "-",
      leaseText(instance),
      instance.costDollars === null ? "-" : `$${instance.costDollars.toFixed(2)}`,
    ]),
    empty: "nothing is rented; `gpu start` rents an instance",
  };
}

/** Ten minutes before the end everything says so. */
const warnMinutes = 10;

function leaseText({ leaseMinutesLeft }: Instance): string {
  if (leaseMinutesLeft === null) return "-";
  const text = minutesText(leaseMinutesLeft);
  return leaseMinutesLeft < warnMinutes ? `${text} (ends soon)` : text;
}
