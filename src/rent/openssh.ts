import { join } from "node:path";
import { writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import { addressOf } from "./connect.ts";
import { keyOfLaunch } from "./key.ts";
import type { Launch } from "./rows.ts";

/** Where what OpenSSH reads of ours is: absolute paths. */
export interface OpenSshPlace {
  /** Included by the user's own configuration. */
  readonly config: string;
  /** The pinned key of each instance. */
  readonly knownHosts: string;
}

export function openSshPlace({ folders }: Pick<World, "folders">): OpenSshPlace {
  return { config: join(folders.state, "ssh", "config"), knownHosts: join(folders.state, "ssh", "known_hosts") };
}

/** A keyword of ssh_config(5) and its value. */
export type OpenSshOption = readonly [keyword: string, value: string];

/** How OpenSSH logs in on an instance, with nothing but the key that it was launched with believed. */
export async function openSshOptions(
  world: Pick<World, "folders" | "random">,
  launch: Launch,
): Promise<OpenSshOption[]> {
  const { host, port, user } = addressOf(launch);
  const { path } = await keyOfLaunch(world, launch);
  return [
    ["HostName", host],
    ["Port", `${port}`],
    ["User", user],
    ["IdentityFile", quotePath(path)],
    ["IdentitiesOnly", "yes"],
    // Its key is known by the launch, whoever has its address later.
    ["HostKeyAlias", aliasOf(launch)],
    ["UserKnownHostsFile", quotePath(openSshPlace(world).knownHosts)],
    ["GlobalKnownHostsFile", "none"],
    ["StrictHostKeyChecking", "yes"],
    ["CheckHostIP", "no"],
    ["UpdateHostKeys", "no"],
  ];
}

/** The instances that OpenSSH can be told of: those with a key and an address, which a cloud said and nobody checked. */
export function reachableLaunches(launches: readonly Launch[]): Launch[] {
  return launches.filter(({ state, host, port, user, hostPublicKey }) =>
    state === "LAUNCHED" && port !== null && hostPublicKey !== "" && /^[\w.:-]+$/.test(host ?? "") &&
    /^[\w.-]+$/.test(user ?? "")
  );
}

/** Writes down the keys that instances were launched with. */
export async function writeKnownHosts(world: Pick<World, "folders">, launches: readonly Launch[]): Promise<void> {
  const lines = reachableLaunches(launches).map((launch) => `${aliasOf(launch)} ${keyLine(launch)}\n`);
  await writeWhole(openSshPlace(world).knownHosts, lines.join(""));
}

function aliasOf({ token }: Launch): string {
  return `gpu-${token}`;
}

/** Type and key, without a comment. */
function keyLine({ hostPublicKey }: Launch): string {
  return hostPublicKey.trim().split(/\s+/).slice(0, 2).join(" ");
}

/** ssh_config(5): quotes around what has spaces, and `%` begins a token. */
export function quotePath(path: string): string {
  const escaped = path.replaceAll("%", "%%");
  return /[\s"#]/.test(escaped) ? `"${escaped.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : escaped;
}
