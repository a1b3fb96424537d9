import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { z } from "zod";
import { GpuError } from "../errors.ts";
import { makePrivateFolder, reasonOf } from "../files.ts";
import type { World } from "../world.ts";
import { headerBytes, readHeader, type TypeFiles, type TypesHeader } from "./types-format.ts";

/** The types that a recipe is checked against, laid out in the cache folder. */
export interface InstalledTypes extends TypesHeader {
  readonly folder: string;
}

/** Lays the embedded types out, once for each version of them; another `gpu` may be doing the same. */
export async function installTypes(world: Pick<World, "folders" | "random">): Promise<InstalledTypes> {
  const asset = await assetPath();
  const header = await readAssetHeader(asset);
  const folder = join(world.folders.cache, "types", header.key);
  if (existsSync(join(folder, "gpu.d.ts"))) return { ...header, folder };

  const draft = `${folder}.${Buffer.from(world.random(6)).toString("hex")}`;
  try {
    await makePrivateFolder(draft);
    await writeFiles(draft, await unpack(asset));
    await rename(draft, folder).catch((error) => {
      // Somebody else was faster, and made the same.
      if (!existsSync(join(folder, "gpu.d.ts"))) throw error;
    });
  } catch (error) {
    if (error instanceof GpuError) throw error;
    throw new GpuError(`cannot write the types of recipes to \`${folder}\`: ${reasonOf(error)}`, { cause: error });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return { ...header, folder };
}

/** What is embedded, by path: `gpu.d.ts`, and a `node_modules` with Bun's and Node's types. */
export async function readTypes(): Promise<TypesHeader & { readonly files: TypeFiles }> {
  const asset = await assetPath();
  return { ...await readAssetHeader(asset), files: await unpack(asset) };
}

/** Writes files below `folder`, with the folders they are in. */
export async function writeFiles(folder: string, files: TypeFiles): Promise<void> {
  const folders = new Set(Object.keys(files).map((path) => dirname(join(folder, path))));
  await Promise.all([...folders].map((path) => mkdir(path, { recursive: true })));
  await Promise.all(Object.entries(files).map(([path, text]) => writeFile(join(folder, path), text)));
}

/** Embedded by the compiler; from source it is the file that `bun scripts/types.ts` makes. */
async function assetPath(): Promise<string> {
  try {
    const { default: path } = await import("../../dist/types.bin", { with: { type: "file" } });
    return path;
  } catch (cause) {
    throw new GpuError("the types of recipes are not built", { hint: "`bun scripts/types.ts` builds them", cause });
  }
}

// `node:fs` opens nothing of what is inside of the executable; `Bun.file` does.
async function readAssetHeader(path: string): Promise<TypesHeader> {
  return readHeader(await Bun.file(path).slice(0, headerBytes).bytes());
}

async function unpack(path: string): Promise<TypeFiles> {
  const packed = (await Bun.file(path).bytes()).subarray(headerBytes);
  const text = (await promisify(zstdDecompress)(packed)).toString();
  return z.record(z.string(), z.string()).parse(JSON.parse(text));
}
