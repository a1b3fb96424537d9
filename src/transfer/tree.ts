import { GpuError } from "../errors.ts";
import { isPartName } from "./part.ts";
import type { Entry, Files, Stat } from "./files.ts";
import { type Bytes, foldedName, join, leadsOut, nameProblem, shown } from "./names.ts";

/** One thing to copy. `path` is below the root it was found from; "" is the root itself. */
export interface Item extends Stat {
  readonly path: Bytes;
  /** Where a link leads. */
  readonly target?: Bytes;
}

export interface Skipped {
  readonly name: string;
  readonly why: string;
}

interface Walk {
  readonly files: Files;
  readonly root: Bytes;
  /** Whose names the copies get. */
  readonly platform: NodeJS.Platform;
  /** What comes from a machine is not believed to keep inside of the folder it is copied into. */
  readonly isWary: boolean;
  readonly signal: AbortSignal;
  skip(skipped: Skipped): void;
}

/** How deep folders may lie in each other: a listing that goes on for ever ends here. */
const deepest = 200;

/** All that is in a folder, each folder before what is in it. Links are not followed. */
export async function* walk({ files, root, platform, isWary, signal, skip }: Walk): AsyncGenerator<Item> {
  const folders: Bytes[] = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    if (folder.split("/").length > deepest) {
      throw new GpuError(`\`${files.prefix}${shown(root)}\` has folders deeper than ${deepest}`);
    }
    const entries = await sorted(files, folder === "" ? root : join(root, folder));
    const seen = new Set<string>();
    const below: Bytes[] = [];
    for (const { name, ...stat } of entries) {
      if (isPartName(name)) continue;
      const path = join(folder, name);
      const folded = foldedName(name, platform);
      const problem = nameProblem(name, platform) ??
        (seen.has(folded) ? "another name differs from it in upper and lower case alone" : undefined);
      seen.add(folded);
      if (problem !== undefined) {
        skip({ name: shown(path), why: problem });
        continue;
      }
      if (stat.kind === "other") {
        skip({ name: shown(path), why: "it is neither a file nor a folder nor a link" });
        continue;
      }
      if (stat.kind === "link") {
        const target = await files.readLink(join(root, path));
        if (isWary && leadsOut(folder, target, platform)) {
          skip({ name: shown(path), why: "it is a link that leads out" });
        } else yield { path, target, ...stat };
        continue;
      }
      yield { path, ...stat };
      if (stat.kind === "folder") below.push(path);
    }
    folders.push(...below.toReversed());
  }
}

async function sorted(files: Files, folder: Bytes): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of files.list(folder)) {
    for (const entry of batch) entries.push(entry);
  }
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
