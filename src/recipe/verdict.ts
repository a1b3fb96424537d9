import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeCache } from "../files.ts";
import { collectSources, type Sources } from "./imports.ts";

/** Whether a verdict is of this key, and all else that was read for it is as it was. */
export function isRemembered(verdict: string | undefined, key: string): boolean {
  const [known, ...others] = verdict?.split("\n") ?? [];
  return known === key && others.every((other) => other === stampOf(other.slice(stampLength + 1)));
}

/** Keeps a verdict: that nothing is wrong with what has this key, and with these files. */
export function remember(verdict: string, { key, others }: { key: string; others: readonly string[] }): void {
  try {
    writeCache(verdict, [key, ...others.map(stampOf)].join("\n"));
  } catch {
    // The recipe is right all the same: it is checked again the next time.
  }
}

const stampLength = 64;

/** A file and its content, on one line. */
function stampOf(path: string): string {
  const hash = new Bun.CryptoHasher("sha256");
  try {
    hash.update(readFileSync(path));
  } catch {
    hash.update("it is gone");
  }
  return `${hash.digest("hex")} ${path}`;
}

/** A hash of a recipe and of everything that its types come from, except those that `gpu` itself brings. */
export function contentKey(path: string): string {
  return keyOf(collectSources(path), path);
}

/** The same of sources that are read already. */
export function keyOf({ files, packages }: Sources, path: string): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of files) hash.update(`${file.path}\0${file.source}\0`);
  for (const name of packages) {
    if (!/^(?:gpu$|zod$|bun$|bun:|node:)/.test(name)) hash.update(`${name}\0${packageStamp(name, dirname(path))}\0`);
  }
  return hash.digest("hex");
}

/** The package.json of an installed package, found the way imports are: upwards from the recipe. */
function packageStamp(name: string, from: string): string {
  const words = name.split("/").slice(0, name.startsWith("@") ? 2 : 1);
  for (let folder = from;; folder = dirname(folder)) {
    const file = join(folder, "node_modules", ...words, "package.json");
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) return readFileSync(file, "utf8");
    if (folder === dirname(folder)) return "not installed";
  }
}
