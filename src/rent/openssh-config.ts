import { chmod, mkdir, readFile, realpath, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readTextIfThere, replaceWhole, writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import { openSshOptions, openSshPlace, quotePath, reachableLaunches, writeKnownHosts } from "./openssh.ts";
import type { Launch } from "./rows.ts";

type Writing = Pick<World, "folders" | "random">;

/** What OpenSSH's tools read of the instances: a `Host` for each, by its name and its id. */
export async function openSshConfigText(world: Writing, launches: readonly Launch[]): Promise<string> {
  const header = "# Written by `gpu ssh-config`, and again whenever instances come and go.\n";
  const reachable = reachableLaunches(launches);
  const taken = new Set<string>();
  const blocks = await Promise.all(
    reachable.toReversed().map(async (launch) => {
      // The newest has the name; all have their id.
      const names = namesOf(launch).filter((name) => !taken.has(name));
      for (const name of names) taken.add(name);
      const options = await openSshOptions(world, launch);
      const lines = options.map(([keyword, value]) => `  ${keyword} ${value}\n`);
      return names.length === 0 ? "" : `\nHost ${names.join(" ")}\n${lines.join("")}`;
    }),
  );
  return header + blocks.toReversed().join("");
}

/** Writes the included file and the keys beside it. Says whether anything changed. */
export async function writeOpenSshConfig(world: Writing, launches: readonly Launch[]): Promise<boolean> {
  const { config } = openSshPlace(world);
  const text = await openSshConfigText(world, launches);
  if (await readTextIfThere(config) === text) return false;
  // The keys first: whoever reads the new file finds them.
  await writeKnownHosts(world, launches);
  await writeWhole(config, text);
  return true;
}

/** Takes away what was written of the instances. */
export async function removeOpenSshConfig(world: Pick<World, "folders">): Promise<void> {
  await rm(dirname(openSshPlace(world).config), { recursive: true, force: true });
}

/** The user's own configuration of OpenSSH; a link is followed, so it stays one. */
export async function userConfigPath({ home }: Pick<World, "home">): Promise<string> {
  const path = join(home, ".ssh", "config");
  return await realpath(path).catch(() => path);
}

/** The line that includes ours. It is a pattern, of which some versions take `%` for a token: `?` stands for any sign. */
export function includeLine(world: Pick<World, "folders">): string {
  return `Include ${quotePath(openSshPlace(world).config.replace(/[%*?[\]\\"$]/g, "?"))}`;
}

/** Whether the user's configuration includes ours, in whatever words. */
export async function isIncluded(world: Pick<World, "folders" | "home">): Promise<boolean> {
  const text = await readTextIfThere(await userConfigPath(world)) ?? "";
  return text.split("\n").some((line) => line.trim() === includeLine(world));
}

/** Adds the line at the top, where no `Host` limits it yet. All else stays as it is, with its permissions. */
export async function include(world: Pick<World, "folders" | "home">): Promise<void> {
  if (await isIncluded(world)) return;
  const path = await userConfigPath(world);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await rewrite(path, (text) => `${includeLine(world)}\n${text}`);
}

/** Takes the line away again. Says whether it was there. */
export async function exclude(world: Pick<World, "folders" | "home">): Promise<boolean> {
  if (!await isIncluded(world)) return false;
  const line = includeLine(world);
  await rewrite(
    await userConfigPath(world),
    (text) => text.split(/(?<=\n)/).filter((one) => one.trim() !== line).join(""),
  );
  return true;
}

async function rewrite(path: string, change: (text: string) => string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  const text = stats ? await readFile(path, "latin1") : "";
  const mode = stats ? stats.mode & 0o7777 : 0o600;
  await replaceWhole(path, Buffer.from(change(text), "latin1"), mode);
  await chmod(path, mode);
}

/** What stands in a `Host` line means what it says: no pattern, nothing that ends the line. */
function namesOf({ name, instanceId }: Launch): string[] {
  return [...new Set([name, instanceId])].filter((one) => one !== null).filter((one) => /^[\w][\w.-]*$/.test(one));
}
