import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GpuError } from "../errors.ts";
import { readTextIfThere, reasonOf, writeWhole } from "../files.ts";
import type { World } from "../world.ts";
import { headerBytes, readHeader, type TypeFiles, type TypesHeader } from "./types-format.ts";

/** The types that a recipe is checked against, laid out in the cache folder. */
export interface InstalledTypes extends TypesHeader {
  readonly folder: string;
}

type TypesWorld = Pick<World, "folders" | "random">;

/** Lays out what most recipes are checked against, once for each version; another `gpu` may be doing the same. */
export async function installTypes(world: TypesWorld): Promise<InstalledTypes> {
  const asset = await openAsset();
  const folder = join(world.folders.cache, "types", asset.header.key);
  await layOut({ folder, world, files: () => asset.first() });
  return { ...asset.header, folder };
}

/** Adds the types of Bun and Node, for recipes that use more of them than the usual. */
export async function installAllTypes({ folder }: InstalledTypes, world: TypesWorld): Promise<void> {
  const asset = await openAsset();
  await layOut({ folder: join(folder, "all"), world, files: async () => (await asset.second()).others });
}

/**
 * Writes what is missing or changed below a folder that was laid out: a computer that lost power, or what cleans caches,
 * leaves such. Says whether there was any.
 */
export async function mendTypes({ folder }: InstalledTypes): Promise<boolean> {
  const asset = await openAsset();
  const { others } = await asset.second();
  const inAll = Object.entries(others).map(([path, text]) => [join("all", path), text] as const);
  let isMended = false;
  for (const [path, text] of [...Object.entries(await asset.first()), ...inAll]) {
    if (await readTextIfThere(join(folder, path)) === text) continue;
    await writeWhole(join(folder, path), text);
    isMended = true;
  }
  return isMended;
}

/** What editors are given: `gpu.d.ts` with its documentation, and by path a `node_modules` with Bun's and Node's types. */
export async function readTypes(): Promise<
  { readonly version: string; readonly gpu: string; readonly others: TypeFiles }
> {
  const asset = await openAsset();
  const { documented, others } = await asset.second();
  return { version: asset.header.version, gpu: documented, others };
}

/** The key of the embedded types: that of a `gpu.d.ts` which is not old. */
export async function typesKey(): Promise<string> {
  return (await openAsset()).header.key;
}

/** Makes a folder whole or not at all. */
async function layOut(
  { folder, files, world }: { folder: string; files: () => Promise<TypeFiles>; world: TypesWorld },
): Promise<void> {
  if (existsSync(folder)) return;
  const draft = `${folder}.${Buffer.from(world.random(6)).toString("hex")}`;
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    await writeFiles(draft, await files());
    await rename(draft, folder).catch((error) => {
      // Somebody else was faster, and made the same.
      if (!existsSync(folder)) throw error;
    });
  } catch (error) {
    if (error instanceof GpuError) throw error;
    throw new GpuError(`cannot write the types of recipes to \`${folder}\`: ${reasonOf(error)}`, {
      hint: "XDG_CACHE_HOME names another folder for what is kept between runs",
      cause: error,
    });
  } finally {
    // Where it could not be made it cannot always be removed either, and the first reason is the one to say.
    await rm(draft, { recursive: true, force: true }).catch(() => {});
  }
}

/** Writes files below `folder`, with the folders they are in. */
export async function writeFiles(folder: string, files: TypeFiles): Promise<void> {
  const folders = new Set(Object.keys(files).map((path) => dirname(join(folder, path))));
  await Promise.all([...folders].map((path) => mkdir(path, { recursive: true })));
  await Promise.all(Object.entries(files).map(([path, text]) => writeFile(join(folder, path), text)));
}

interface Asset {
  readonly header: TypesHeader;
  /** `gpu.d.ts`, without the documentation, and `usual.d.ts`. */
  first(): Promise<TypeFiles>;
  /** `gpu.d.ts` with it, and what is below `node_modules`. */
  second(): Promise<{ readonly documented: string; readonly others: TypeFiles }>;
}

// `node:fs` opens nothing of what is inside of the executable; `Bun.file` does.
async function openAsset(): Promise<Asset> {
  const file = Bun.file(await assetPath());
  const header = readHeader(await file.slice(0, headerBytes).bytes());
  const boundary = headerBytes + header.firstBytes;
  return {
    header,
    first: async () => await unpack(await file.slice(headerBytes, boundary).bytes()),
    second: async () => {
      const { "gpu.d.ts": documented = "", ...others } = await unpack(await file.slice(boundary).bytes());
      return { documented, others };
    },
  };
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

async function unpack(packed: Uint8Array<ArrayBuffer>): Promise<TypeFiles> {
  const [{ z }, text] = [await import("zod"), (await Bun.zstdDecompress(packed)).toString()];
  return z.record(z.string(), z.string()).parse(JSON.parse(text));
}
