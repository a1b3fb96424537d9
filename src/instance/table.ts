import type { Table } from "../command.ts";
import { minutesText } from "../duration.ts";
import type { Instance } from "../rent/instances.ts";
import type { UsedInstance } from "./use.ts";

/** Ten minutes before the end everything says so. */
const warnMinutes = 10;

/** Instances as `gpu status` and `gpu instance list` show them. */
export function instanceTable(instances: readonly (Instance & Partial<UsedInstance>)[], now: number): Table {
  const isAsked = instances.some(({ gpuUtilization, idleMinutes }) => (gpuUtilization ?? idleMinutes ?? null) !== null);
  return {
    columns: [
      "id",
      "name",
      "provider",
      "type",
      "state",
      "address",
      "uptime",
      "lease left",
      "cost",
      ...(isAsked ? ["gpu use", "idle"] : []),
    ],
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
      ...(isAsked ? useOf(instance) : []),
    ]),
    empty: "nothing is rented; `gpu start` rents an instance",
  };
}

function useOf({ gpuUtilization = null, idleMinutes = null }: Partial<UsedInstance>): string[] {
  return [gpuUtilization === null ? "-" : `${gpuUtilization} %`, idleMinutes === null ? "-" : minutesText(idleMinutes)];
}

function leaseText({ leaseMinutesLeft }: Instance): string {
  if (leaseMinutesLeft === null) return "-";
  const text = minutesText(leaseMinutesLeft);
  return leaseMinutesLeft < warnMinutes ? `${text} (ends soon)` : text;
}
