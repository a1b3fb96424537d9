import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import type { World } from "../../world.ts";

/** Where the server keeps its jobs, users and keys: on every command of its administration. */
export const dataParams = {
  data: z.string().optional().meta({
    complete: "folder",
    placeholder: "folder",
    description: "data folder of the server; `ci` in gpu's state folder when left out",
  }),
};

/** The data folder that is meant. */
export function dataFolderOf(data: string | undefined, { cwd, folders }: Pick<World, "cwd" | "folders">): string {
  if (data === undefined) return join(folders.state, "ci");
  return isAbsolute(data) ? data : resolve(cwd, data);
}
