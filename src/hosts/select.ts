import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { oneLaunch } from "../rent/fleet.ts";
import type { Launch } from "../rent/rows.ts";
import type { Selection, Target } from "./target.ts";

/** The machines that are meant, each once, in the order they were named. Without any word: the only instance. */
export async function selectTargets(context: Context, selection: Selection): Promise<Target[]> {
  const names = selection.targets.length === 0 ? [undefined] : selection.targets;
  return await Promise.all(names.map(async (name) => instanceTarget(await oneLaunch(context, name))));
}

/** The one machine that is meant. */
export async function selectTarget(context: Context, selection: Selection): Promise<Target> {
  const [only, ...others] = await selectTargets(context, selection);
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(`several machines are meant, and this works on one`, { hint: "name one" });
}

/** A rented instance as a target. */
export function instanceTarget(launch: Launch): Target {
  return { kind: "instance", name: launch.name ?? launch.instanceId ?? launch.token, launch };
}
