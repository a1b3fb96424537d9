import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { compileOptions, productEntrypoints } from "../build.ts";
import { root } from "../toolchain.ts";
import type { Release } from "./release.ts";

const Package = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });

/** A package whose code is in the executables. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** An expression of SPDX. */
  readonly license: string;
}

/** What is compiled in, by the modules that the bundler really took. */
export async function componentsOf(): Promise<Component[]> {
  const { metafile } = await Bun.build({
    ...compileOptions,
    bytecode: false,
    entrypoints: productEntrypoints(),
    metafile: true,
  });
  const folders = new Set(Object.keys(metafile?.inputs ?? {}).flatMap((path) => packageFolder(resolve(path)) ?? []));
  const packages = [...folders].map((folder) => {
    const { name, version, license } = Package.parse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
    return { name, version, license: license ?? licenseIn(folder) };
  });
  if (packages.length === 0) throw new Error("the bundler names no package that it took");
  // Bun is MIT itself, and JavaScriptCore, which is linked into it, LGPL 2.1.
  const bun = { name: "bun", version: Bun.version, license: "MIT AND LGPL-2.1-only" };
  return [bun, ...packages.toSorted((a, b) => (a.name < b.name ? -1 : 1))];
}

/** Older packages say their licence in a file only, and ssh2 in a field of its own. */
function licenseIn(folder: string): string {
  const text = ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE"].map((name) => join(folder, name))
    .filter((path) => existsSync(path)).map((path) => readFileSync(path, "utf8")).join("\n");
  if (/Permission is hereby granted, free of charge/.test(text)) return "MIT";
  if (/Permission to use, copy, modify, and\/or distribute/.test(text)) return "ISC";
  if (/Redistributions of source code must retain/.test(text)) return "BSD-3-Clause";
  throw new Error(`the licence of ${relative(root, folder)} is not known`);
}

/** The folder in node_modules that a module belongs to. */
function packageFolder(path: string): string | undefined {
  if (!path.includes("/node_modules/")) return undefined;
  for (let folder = dirname(path); !folder.endsWith("/node_modules"); folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && Package.safeParse(JSON.parse(readFileSync(manifest, "utf8"))).success) return folder;
  }
  return undefined;
}

/** A software bill of materials: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json). */
export function billOfMaterials(
  { version, date }: Pick<Release, "version" | "date">,
  components: readonly Component[],
) {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: date.toISOString(),
      component: { type: "application", name: "gpu", version, licenses: [{ license: { id: "MIT" } }] },
    },
    components: components.map(({ name, version, license }) => ({
      type: name === "bun" ? "platform" : "library",
      name,
      version,
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      licenses: [{ expression: license }],
    })),
  };
}
