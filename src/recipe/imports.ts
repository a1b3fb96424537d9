import { readFileSync, statSync } from "node:fs";
import { dirname, extname, join } from "node:path";

/**
 * What a source names in imports, exports, `import(…)` and references. Read with a pattern: `Bun.Transpiler.scanImports`
 * leaves `import type` out. A name in a comment is found as well, which does no harm here.
 */
export function importedNames(source: string): string[] {
  const found = source.matchAll(
    /\b(?:from|import|require)\s*\(?\s*["']([^"'\n]+)["']|<reference\s+path\s*=\s*["']([^"'\n]+)["']/g,
  );
  return [
    ...new Set(
      [...found].flatMap(([, name, path]) =>
        name ?? (path === undefined ? [] : path.startsWith(".") ? path : `./${path}`)
      ),
    ),
  ];
}

export interface SourceFile {
  readonly path: string;
  readonly source: string;
}

/** A file and all local files it imports, directly or not. */
export interface Sources {
  readonly files: readonly SourceFile[];
  /** The names of everything else. */
  readonly packages: readonly string[];
}

/** Follows the imports of a file. */
export function collectSources(entry: string): Sources {
  const files = new Map<string, SourceFile>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    const source = readIfThere(path);
    if (source === undefined) return;
    files.set(path, { path, source });
    for (const name of importedNames(source)) {
      if (!name.startsWith(".") && !name.startsWith("/")) packages.add(name);
      else candidates(join(name.startsWith("/") ? "/" : dirname(path), name)).forEach(visit);
    }
  };
  visit(entry);
  return { files: [...files.values()], packages: [...packages] };
}

function readIfThere(path: string): string | undefined {
  try {
    // A pipe or a device never ends.
    return statSync(path).isFile() ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined; // It is not there, or may not be read: the check itself says so.
  }
}

/**
 * Where an import may lead: the file itself, its name with an extension, TypeScript behind a `.js`, a folder's index. Where
 * several are there, what runs may be one and what is checked another.
 */
function candidates(path: string): string[] {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const swapped: Readonly<Record<string, string[]>> = {
    ".js": [".ts", ".tsx", ".d.ts"],
    ".mjs": [".mts", ".d.mts"],
    ".jsx": [".tsx", ".d.ts"],
  };
  return [
    path,
    ...(swapped[extension] ?? []).map((other) => stem + other),
    ...[".ts", ".tsx", ".mts", ".d.ts", ".js", ".mjs", "/index.ts", "/index.js"].map((ending) => path + ending),
  ];
}
