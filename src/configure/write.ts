import { realpath } from "node:fs/promises";
import type { Config } from "../config.ts";
import { configPath, parseConfig } from "../config.ts";
import { GpuError } from "../errors.ts";
import { exclusively } from "../exclusive.ts";
import { readTextIfThere, writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import type { Change } from "./change.ts";
import { showKey } from "./keys.ts";

/** What `config.yaml` would be. Throws where a value does not fit its key. */
export async function changedConfig(
  world: Pick<World, "folders">,
  changes: readonly Change[],
): Promise<{ before: string | undefined; text: string; config: Config }> {
  const path = configPath(world);
  const before = await readTextIfThere(path);
  const { document } = await parseConfig(path, before ?? "");
  for (const { keys, value } of changes) {
    try {
      const empty = keys.findIndex((_, index) => document.getIn(keys.slice(0, index + 1)) === null) + 1;
      if (empty > 0 && empty < keys.length) document.setIn(keys.slice(0, empty), document.createNode({}));
      if (value === undefined) document.deleteIn(keys);
      // A plain value takes the old one's place, so that its comment stays.
      else document.setIn(keys, typeof value === "object" ? document.createNode(value) : value);
    } catch (error) {
      throw new GpuError(`\`${showKey(keys)}\` cannot be changed in \`${path}\`: it goes through an alias or a value`, {
        hint: "change it with an editor",
        cause: error,
      });
    }
  }
  // An empty document has nothing to print but `null`.
  const text = document.contents === null ? "" : document.toString({ lineWidth: 0 });
  return { before, text, config: (await parseConfig(path, text)).config };
}

/** Changes values of `config.yaml` and keeps its comments. */
export async function setConfig(
  world: Pick<World, "clock" | "folders">,
  changes: readonly Change[],
): Promise<Config> {
  return await exclusively(world, async () => {
    const { before, text, config } = await changedConfig(world, changes);
    const path = configPath(world);
    // A link into somebody's collection of dotfiles stays a link.
    if (text !== (before ?? "")) await writeWhole(before === undefined ? path : await realpath(path), text);
    return config;
  });
}
