import type { Context } from "../command.ts";
import { GpuError, NotFoundError } from "../errors.ts";
import type { Instance } from "../rent/instances.ts";
import type { Launch } from "../rent/rows.ts";

/** The instances that these words mean, by word. They are listed once, however many words there are. */
export async function instancesNamed(context: Context, words: readonly string[]): Promise<ReadonlyMap<string, Launch>> {
  if (words.length === 0) return new Map();
  const { allInstances, launchOf } = await import("../rent/fleet.ts");
  const { findInstance } = await import("../rent/resolve.ts");
  const instances = await allInstances(context);
  const journal = await context.journal();
  return new Map(words.map((word) => {
    const instance = findInstance(instances, word);
    if (instance) return [word, launchOf(instance, journal)];
    throw new NotFoundError(`there is no instance \`${word}\``, {
      hint: instances.length > 0
        ? `\`gpu status\` lists them; \`<user>@${word}\` means a machine of your own`
        : `nothing is running; \`gpu start\` rents one, \`<user>@${word}\` means a machine of your own`,
    });
  }));
}

/** The running instances of this computer that carry all of these tags. */
export async function taggedInstances(context: Context, wanted: Readonly<Record<string, string>>): Promise<Launch[]> {
  const { allInstances, launchOf } = await import("../rent/fleet.ts");
  const journal = await context.journal();
  const ours = (await allInstances(context)).filter(isOurs);
  return ours.map((instance) => launchOf(instance, journal)).filter((launch) => {
    const tags = tagsOfLaunch(launch);
    return Object.entries(wanted).every(([key, value]) => Object.hasOwn(tags, key) && tags[key] === value);
  });
}

/** What `gpu start --tag` gave it. */
export function tagsOfLaunch({ request, token }: Launch): Readonly<Record<string, unknown>> {
  try {
    const said: unknown = JSON.parse(request);
    const tags = typeof said === "object" && said !== null && "tags" in said ? said.tags : undefined;
    return typeof tags === "object" && tags !== null ? Object.fromEntries(Object.entries(tags)) : {};
  } catch (cause) {
    throw new GpuError(`the journal's row of \`${token}\` cannot be read`, { cause });
  }
}

/** What this computer launched and can be logged in on. */
function isOurs({ token, state, owner }: Instance): boolean {
  return token !== null && owner !== "unknown" && (state === "running" || state === "booting");
}
