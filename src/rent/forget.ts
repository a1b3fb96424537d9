import { NotFoundError, UsageError } from "../errors.ts";
import type { Journal } from "./journal.ts";
import { labelOf, type Launch } from "./rows.ts";

/** The launches that are watched and are meant: by id, the beginning of one, launch token or name. */
export function findWatched(journal: Journal, selectors: readonly string[]): Launch[] {
  const open = journal.launches({ open: true });
  const found = selectors.map((selector) => findOne(open, selector));
  return found.filter(({ token }, index) => found.findIndex((other) => other.token === token) === index);
}

function findOne(open: readonly Launch[], selector: string): Launch {
  const rules = [
    ({ instanceId, token }: Launch) => instanceId === selector || token === selector,
    ({ name }: Launch) => name === selector,
    ({ instanceId }: Launch) => instanceId?.startsWith(selector) ?? false,
  ];
  for (const rule of selector === "" ? [] : rules) {
    const [first, ...others] = open.filter(rule);
    if (first === undefined) continue;
    if (others.length === 0) return first;
    throw new UsageError(`\`${selector}\` can mean several instances: ${[first, ...others].map(labelOf).join(", ")}`, {
      hint: "give the whole id, or the launch token that `gpu reconcile --json` shows",
    });
  }
  throw new NotFoundError(`no instance \`${selector}\` is watched`, {
    hint: "`gpu reconcile --dry-run` lists what is",
  });
}

/** Ends the watch over a machine without ending it; the journal says so. Returns the row as it is now. */
export function forgetLaunch(journal: Journal, launch: Launch): Launch | undefined {
  if (journal.problem !== undefined) throw journal.problem;
  const before = launch.state === "STOPPING" ? `it was to be stopped (${launch.endWhy ?? "asked to"})` : "it was open";
  return journal.forget(launch.token, `not watched any more, it may still run and cost money; ${before}`);
}
