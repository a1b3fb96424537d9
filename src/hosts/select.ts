import { existsSync } from "node:fs";
import type { Context } from "../command.ts";
import { NotFoundError, UsageError } from "../errors.ts";
import { oneLaunch } from "../rent/fleet.ts";
import type { Launch } from "../rent/rows.ts";
import { addressText } from "../ssh/failure.ts";
import type { MeantHost } from "./logins.ts";
import { tagsOf } from "./tags.ts";
import type { HostTarget, InstanceTarget, Selection, Target } from "./target.ts";

type Meant = { readonly launch: Launch } | { readonly host: MeantHost };

/** The machines that are meant, each once, in the order they were named. Without any word: the only instance. */
export async function selectTargets(context: Context, selection: Selection): Promise<Target[]> {
  const find = () => findTargets(context, selection);
  return await (context.shared?.select(context, selection, find) ?? find());
}

async function findTargets(context: Context, selection: Selection): Promise<Target[]> {
  const { targets, hosts, hostsFile, all, tags } = selection;
  if (targets.length + hosts.length + tags.length === 0 && hostsFile === undefined && !all) {
    return [instanceTarget(await oneLaunch(context))];
  }
  const { knownHosts, hostsIn, namedHosts, taggedHosts } = await import("./hosts.ts");
  const { instancesNamed, taggedInstances } = await import("./instances.ts");
  const known = await knownHosts(context);
  const words = targets.map((word) => {
    const isHost = known.find(word) !== undefined || word.includes("@") || word.includes("://");
    return { word, hosts: isHost ? hostsIn(word, "the command line", known) : undefined };
  });
  const mayBeEither = words.filter(({ word, hosts }) => hosts !== undefined && known.find(word)).map(({ word }) =>
    word
  );
  await refuseAmbiguous(context, mayBeEither);
  const launches = await instancesNamed(context, words.flatMap(({ word, hosts }) => hosts ? [] : [word]));
  const named = words.flatMap(({ word, hosts }): Meant[] => {
    if (hosts) return hosts.map((host) => ({ host }));
    const launch = launches.get(word);
    return launch ? [{ launch }] : [];
  });
  const wanted = tagsOf(tags);
  const meant: Meant[] = [
    ...named,
    ...(await namedHosts(context, selection, known)).map((host) => ({ host })),
    ...(all || tags.length > 0 ? (await taggedInstances(context, wanted)).map((launch) => ({ launch })) : []),
    ...(tags.length > 0 && !all ? taggedHosts(wanted, known).map((host) => ({ host })) : []),
  ];
  if (meant.length === 0) throw nothing(selection);
  return await toTargets(context, selection, meant);
}

/** The one machine that is meant. */
export async function selectTarget(context: Context, selection: Selection): Promise<Target> {
  const [only, ...others] = await selectTargets(context, selection);
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError(`${others.length + 1} machines are meant, and this works on one`, { hint: "name one" });
}

/** A rented instance as a target. */
export function instanceTarget(launch: Launch): InstanceTarget {
  return { kind: "instance", name: launch.name ?? launch.instanceId ?? launch.token, launch };
}

async function toTargets(context: Context, selection: Selection, meant: readonly Meant[]): Promise<Target[]> {
  const { Logins } = await import("./logins.ts");
  const { knownHosts } = await import("./hosts.ts");
  const logins = new Logins(context, selection, await knownHosts(context));
  const mayAskPassword = meant.length === 1;
  const all = await Promise.all(meant.map(async (one): Promise<Target> => {
    if ("launch" in one) return instanceTarget(one.launch);
    return { kind: "host", name: one.host.name, login: await logins.loginOf(one.host, { mayAskPassword }) };
  }));
  return withOwnNames(eachOnce(all));
}

/** The same machine with the same login, named twice, is meant once. */
function eachOnce(targets: readonly Target[]): Target[] {
  const each = new Map<string, Target>();
  for (const target of targets) {
    const key = target.kind === "instance"
      ? target.launch.token
      : `${addressText(target.login.address)} ${
        target.login.jumps.map(({ address }) => addressText(address)).join(",")
      }`;
    if (!each.has(key)) each.set(key, target);
  }
  return [...each.values()];
}

/** Who shares a name is called by its address. */
function withOwnNames(targets: readonly Target[]): Target[] {
  const counts = new Map<string, number>();
  for (const { name } of targets) counts.set(name, (counts.get(name) ?? 0) + 1);
  return targets.map((target) => (counts.get(target.name) ?? 0) > 1 ? { ...target, name: longName(target) } : target);
}

function longName(target: HostTarget | InstanceTarget): string {
  return target.kind === "host" ? addressText(target.login.address) : target.launch.instanceId ?? target.launch.token;
}

/** A word that is both a host of the configuration and an instance is neither: a command must not meet the wrong one. */
async function refuseAmbiguous(context: Context, words: readonly string[]): Promise<void> {
  // Who never rented anything has no journal, and none is made for asking.
  if (words.length === 0 || !existsSync(context.world.folders.state)) return;
  const journal = await context.journal();
  const launch = journal.launches({ open: true }).find(({ name, instanceId }) =>
    words.some((word) => word === name || word === instanceId)
  );
  if (launch === undefined) return;
  const word = words.find((one) => one === launch.name || one === launch.instanceId) ?? "";
  throw new UsageError(`\`${word}\` is an instance, and a host of the configuration too`, {
    hint: `\`--host ${word}\` means the host, \`${
      launch.name === word ? launch.instanceId ?? launch.token : launch.token
    }\` the instance`,
  });
}

function nothing({ all, tags }: Selection): NotFoundError {
  if (tags.length === 0 && all) return new NotFoundError("no instance is running", { hint: "`gpu start` rents one" });
  const which = all ? "no instance carries" : "no instance and no host of the configuration carries";
  return new NotFoundError(`${which} ${tags.map((tag) => `\`${tag}\``).join(" and ")}`, {
    hint: "`gpu start --tag key=value` gives tags, and so does `tags:` of a host in the configuration",
  });
}
