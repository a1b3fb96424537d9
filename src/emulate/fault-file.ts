import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import type { World } from "../world.ts";
import { FaultChanges, presets } from "./faults.ts";

/** The faults that presets and files name; a later one wins over an earlier. */
export async function readFaults(names: readonly string[], world: Pick<World, "cwd">): Promise<FaultChanges> {
  const found = await Promise.all(names.map((name) => presets[name] ?? readFaultFile(name, world)));
  return found.reduce<FaultChanges>((all, one) => ({ ...all, ...one }), {});
}

async function readFaultFile(name: string, { cwd }: Pick<World, "cwd">): Promise<FaultChanges> {
  const text = await readTextIfThere(resolve(cwd, name));
  if (text === undefined) {
    throw new UsageError(`there are no faults \`${name}\``, {
      hint: `a file, or one of ${Object.keys(presets).join(", ")}`,
    });
  }
  const parsed = FaultChanges.safeParse(await parseYaml(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const why = [issue?.path.join("."), issue?.message].filter((part) => part).join(" ");
  throw new UsageError(`the faults in \`${name}\` cannot be used: ${why}`, {
    hint: `its keys are ${Object.keys(FaultChanges.shape).join(", ")}`,
  });
}

/** JSON is YAML too. */
async function parseYaml(text: string): Promise<unknown> {
  const { parse } = await import("yaml");
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
