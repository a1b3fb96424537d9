import { join } from "node:path";
import { readTextIfThere } from "../files.ts";
import type { World } from "../world.ts";
import { readCiFile, readDashboardFile, readDumontFile } from "./old-files.ts";
import type { Answers } from "./plan.ts";

/** What one file of another program says. */
export interface Imported {
  /** As a person writes it: `~/.ci/config`. */
  readonly from: string;
  /** Whose settings these are; undefined where they belong to no provider. */
  readonly provider: string | undefined;
  readonly answers: Answers;
  /** Keys that mean nothing here. */
  readonly ignored: readonly string[];
  readonly notes: readonly string[];
}

const files = [
  { path: [".config", "gpu-dashboard", "config.yaml"], read: readDashboardFile },
  { path: [".ci", "config"], read: readCiFile },
  { path: [".dumont", "config.json"], read: readDumontFile },
];

/** Reads the files of older programs, each that is there. They stay as they are. */
export async function readOldFiles({ home }: Pick<World, "home">): Promise<Imported[]> {
  const found: Imported[] = [];
  for (const { path, read } of files) {
    const from = `~/${path.join("/")}`;
    const text = await readTextIfThere(join(home, ...path));
    if (text !== undefined && text.trim() !== "") found.push({ from, ...await read(text, from) });
  }
  return found;
}

/** Where `readOldFiles` looks. */
export const oldFiles: readonly string[] = files.map(({ path }) => `~/${path.join("/")}`);
