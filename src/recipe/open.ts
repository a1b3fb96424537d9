import { realpath } from "node:fs/promises";
import { extname } from "node:path";
import { GpuError, UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import { codeFrame, placeName, shortPath } from "./frames.ts";
import { findRecipe } from "./library/find.ts";

/** A file to run, before anything in it has run. */
export interface RecipeFile {
  /** Absolute, links followed. */
  readonly path: string;
  /** As a person would type it. */
  readonly name: string;
  readonly source: string;
  /** `script`: it exports nothing, importing it is all there is to run. */
  readonly shape: "module" | "script";
}

const loaders: Readonly<Record<string, "ts" | "tsx" | "js" | "jsx">> = {
  ".ts": "ts",
  ".mts": "ts",
  ".tsx": "tsx",
  ".js": "js",
  ".mjs": "js",
  ".jsx": "jsx",
};

/** Finds and reads a recipe without running any of it. */
export async function openRecipe(argument: string, world: Pick<World, "cwd" | "folders">): Promise<RecipeFile> {
  const { path: asked, name, source } = await findRecipe(argument, world);
  const loader = loaders[extname(asked)];
  if (loader === undefined) {
    throw new UsageError(`\`${argument}\` is not TypeScript or JavaScript`, {
      hint: `a recipe ends in ${Object.keys(loaders).join(", ")}`,
    });
  }
  const path = await realpath(asked);
  // Bun takes what follows for a query, in paths and in file URLs, quoted or not.
  if (path.includes("?")) {
    throw new UsageError(`\`${path}\` has a \`?\` in it, and cannot be imported`, { hint: "rename it" });
  }
  const exports = scanExports({ source, loader, path, cwd: world.cwd });
  if (source.trim() === "") {
    throw new GpuError(`\`${name}\` is empty`, { hint: "a recipe is `export default recipe({ … })`" });
  }
  if (exports.length > 0 && !exports.includes("default")) {
    throw new GpuError(`\`${name}\` exports no recipe, only ${exports.map((word) => `\`${word}\``).join(", ")}`, {
      hint: "`export default recipe({ … })` is what `gpu run` runs",
    });
  }
  return { path, name, source, shape: exports.length === 0 ? "script" : "module" };
}

/** A file that is no TypeScript or JavaScript. */
export class ParseError extends GpuError {
  override name = "ParseError";
  /** Absolute. */
  readonly path: string;

  constructor(message: string, path: string) {
    super(message, { hint: "it does not parse: nothing of it was run" });
    this.path = path;
  }
}

interface Scanned {
  readonly source: string;
  readonly loader: "ts" | "tsx" | "js" | "jsx";
  readonly path: string;
  readonly cwd: string;
}

function scanExports({ source, loader, path, cwd }: Scanned): string[] {
  try {
    return new Bun.Transpiler({ loader }).scan(source).exports;
  } catch (error) {
    const place = parsePlace(error, path);
    if (place === undefined) throw new ParseError(`\`${shortPath(path, cwd)}\` does not parse`, path);
    throw new ParseError(`${placeName(place, cwd)}: ${place.message}\n${codeFrame(place)}`, path);
  }
}

/** The first mistake that Bun's parser names: a BuildMessage, or an AggregateError of several. */
function parsePlace(
  error: unknown,
  file: string,
): { file: string; line: number; column: number; message: string } | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof BuildMessage) || first.position === null) return undefined;
  const { line, column } = first.position;
  return { file, line, column, message: first.message };
}
