import { GpuError } from "../errors.ts";
import type { Files } from "./files.ts";
import { type Bytes, join, lastPart, shown } from "./names.ts";

/** A side of a copy: a machine or this computer, and a path there. */
export interface Side {
  readonly files: Files;
  readonly path: Bytes;
}

/** Where each source goes: into a folder that is there, under its own name, else to the name that was given. */
export async function destinations(sources: readonly Side[], to: Side) {
  const there = await to.files.stat(to.path === "" ? "." : to.path);
  const name = `${to.files.prefix}${shown(to.path)}`;
  const isInto = there?.kind === "folder" || to.path.endsWith("/");
  if (!isInto && sources.length > 1) {
    throw new GpuError(`\`${name}\` is no folder, and several files go there`, { hint: "a folder ends in `/`" });
  }
  const taken = new Set<string>();
  return await Promise.all(sources.map(async (side) => {
    const root = await side.files.stat(side.path === "" ? "." : side.path);
    const source = `${side.files.prefix}${shown(side.path)}`;
    if (root === undefined) throw new GpuError(`there is no \`${source}\``);
    if (root.kind === "other") throw new GpuError(`\`${source}\` is neither a file nor a folder`);
    const last = lastPart(side.path);
    const hasName = last !== "" && last !== "." && last !== "..";
    const destination = isInto && hasName ? join(to.path === "" ? "." : to.path, last) : to.path === "" ? "." : to.path;
    if (taken.has(destination)) throw new GpuError(`two of the sources are called \`${shown(last)}\``);
    taken.add(destination);
    return { side, root, destination };
  }));
}
