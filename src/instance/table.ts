import type { Table } from "../command.ts";
import { minutesText, spanText } from "../duration.ts";
import type { Instance } from "../rent/instances.ts";
import type { UsedInstance } from "./use.ts";

/** Ten minutes before the end everything says so. */
const warnMs = 10 * 60_000;

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
      leaseText(instance, now),
      instance.costDollars === null ? "-" : `$${instance.costDollars.toFixed(2)}`,
      ...(isAsked ? useOf(instance) : []),
    ]),
    narrow: [
      ...(instances.every(({ provider }) => provider === instances[0]?.provider) ? [{ column: "provider" }] : []),
      { column: "type", min: 12 },
      { column: "state", min: 10 },
      { column: "uptime" },
      { column: "address", min: 12 },
      { column: "provider" },
      { column: "type" },
      { column: "address" },
      { column: "idle" },
      { column: "gpu use" },
      { column: "cost" },
    ],
    empty: "nothing is rented; `gpu start` rents an instance",
  };
}

function useOf({ gpuUtilization = null, idleMinutes = null }: Partial<UsedInstance>): string[] {
  return [gpuUtilization === null ? "-" : `${gpuUtilization} %`, idleMinutes === null ? "-" : minutesText(idleMinutes)];
}

function leaseText({ leaseEndsAt }: Instance, now: number): string {
  if (leaseEndsAt === null) return "-";
  const leftMs = Date.parse(leaseEndsAt) - now;
  if (leftMs <= 0) return "over";
  return leftMs < warnMs ? `${spanText(leftMs)} (ends soon)` : spanText(leftMs);
}
