// Makes what `gpu` knows of types: `dist/types.bin`, packed into the executable, and `src/recipe/api.ts`, from the definitions.
//   bun scripts/types.ts               dist/types.bin; nothing to do when no source of it changed
//   bun scripts/types.ts --write-api   src/recipe/api.ts, then dist/types.bin
//   bun scripts/types.ts --check       exit 1 when src/recipe/api.ts is not what the definitions say
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import manifest from "../package.json" with { type: "json" };
import { collectSources } from "../src/recipe/imports.ts";
import { headerBytes, type TypeFiles, writeHeader } from "../src/recipe/types-format.ts";
import { usualGlobals, usualPath } from "./usual-globals.ts";
import { denoPath, root } from "./toolchain.ts";

const output = join(root, "dist", "types.bin");
const entry = join(root, "src", "recipe", "module.ts");
const apiFile = join(root, "src", "recipe", "api.ts");

/** Packages whose types are laid out as in a `node_modules`, and which of their files. */
const packages = ["bun-types", "@types/node", "undici-types"];

/** Builds `dist/types.bin` unless it is of the same sources already. Returns its path. */
export async function buildTypes(): Promise<string> {
  const sources = collectSources(entry);
  const own = sources.files.filter(({ path }) => path.startsWith(join(root, "src")));
  const hash = createHash("sha256").update(manifest.version);
  for (const { path, source } of [...own].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${relative(root, path)}\0${source}\0`);
  }
  for (const name of ["zod", ...packages]) hash.update(readFileSync(join(root, "node_modules", name, "package.json")));
  hash.update(readFileSync(import.meta.path)).update(usualGlobals).update(usualPath);
  const key = hash.digest("hex").slice(0, 16);
  if (await builtKey() === key) return output;

  const documented = rollUp();
  const first: TypeFiles = {
    "gpu.d.ts": await withoutComments(documented),
    "usual.d.ts":
      `${usualGlobals}declare module "node:path" {\n  export const usualPathMark: unique symbol;\n${usualPath}}\n`,
  };
  const second: TypeFiles = {
    "gpu.d.ts": `// gpu ${manifest.version} ${key}: made by \`gpu recipe init\`, which also renews it.\n${documented}`,
  };
  for (const name of packages) Object.assign(second, await typesOf(name));
  const [packed, others] = [pack(first), pack(second)];
  await mkdir(join(root, "dist"), { recursive: true });
  const draft = `${output}.${process.pid}`;
  await writeFile(
    draft,
    Buffer.concat([writeHeader({ version: manifest.version, key, firstBytes: packed.length }), packed, others]),
  );
  await rename(draft, output);
  return output;
}

/** Declarations as the checker needs them: it reads all of them at each first run of a recipe. */
async function withoutComments(declarations: string): Promise<string> {
  const { default: ts } = await import("typescript");
  const source = ts.createSourceFile("gpu.d.ts", declarations, ts.ScriptTarget.ESNext);
  return ts.createPrinter({ removeComments: true }).printFile(source).replace(/^ +/gm, "");
}

function pack(files: TypeFiles): Uint8Array {
  const sorted = Object.fromEntries(Object.entries(files).toSorted(([a], [b]) => a < b ? -1 : 1));
  return zstdCompressSync(JSON.stringify(sorted), { params: { [constants.ZSTD_c_compressionLevel]: 19 } });
}

async function builtKey(): Promise<string | undefined> {
  try {
    await using file = await open(output);
    const { buffer } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
    return buffer.toString().trim().split(" ")[2];
  } catch {
    return undefined;
  }
}

/** The types of the module `"gpu"` in one file, zod's with them. In a process of its own: the compiler prints, and keeps 200 MB. */
function rollUp(): string {
  mkdirSync(join(root, "dist"), { recursive: true });
  const folder = mkdtempSync(join(root, "dist", "types-"));
  try {
    const project = join(folder, "tsconfig.json");
    const compilerOptions = {
      strict: true,
      declaration: true,
      emitDeclarationOnly: true,
      noCheck: true,
      skipLibCheck: true,
      target: "esnext",
      module: "preserve",
      moduleResolution: "bundler",
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      lib: ["esnext"],
      types: ["bun-types"],
      typeRoots: [join(root, "node_modules"), join(root, "node_modules", "@types")],
    };
    writeFileSync(project, JSON.stringify({ compilerOptions, files: [entry] }));
    const rolled = join(folder, "gpu.d.ts");
    const bundler = join(root, "node_modules", "dts-bundle-generator", "dist", "bin", "dts-bundle-generator.js");
    const flags = [
      "--project",
      project,
      "--external-inlines",
      "zod",
      "--export-referenced-types",
      "false",
      "--no-check",
      "--no-banner",
      "--silent",
    ];
    const made = Bun.spawnSync([process.execPath, bundler, ...flags, "-o", rolled, entry], {
      cwd: root,
      stdout: "pipe",
      stderr: "pipe",
    });
    if (made.exitCode !== 0) throw new Error(`the types could not be rolled up:\n${made.stderr}${made.stdout}`);
    return readFileSync(rolled, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The declarations of a package, and the package.json by which they are found. */
async function typesOf(name: string): Promise<TypeFiles> {
  const files: TypeFiles = {};
  const folder = join(root, "node_modules", name);
  for await (const path of new Bun.Glob("**/*").scan({ cwd: folder })) {
    if (path !== "package.json" && !/\.d\.[cm]?ts$/.test(path)) continue;
    files[`node_modules/${name}/${path}`] = await readFile(join(folder, path), "utf8");
  }
  return files;
}

/** The text of `src/recipe/api.ts`, from the definitions of every command. */
export async function apiText(): Promise<string> {
  const { commands } = await import("../src/commands.ts");
  const { generateTypes } = await import("../src/surface/types.ts");
  const { handleTypes } = await import("../src/recipe/handles.ts");
  return generateTypes(await Promise.all(commands.map((entry) => entry.load())), {
    header:
      "Generated by scripts/types.ts from the definitions in src/commands; change those and run `bun scripts/types.ts --write-api`.",
    handleTypes,
    imports: {
      CallOptions: "../surface/child.ts",
      InstanceHandle: "./handles.ts",
      TunnelHandle: "./handles.ts",
      JobHandle: "./job.ts",
      SyncHandle: "./sync.ts",
      Ran: "./ran.ts",
    },
  });
}

/** Formatted as the repository is, so that the committed file passes the check of the format. */
function formatted(text: string): string {
  const made = Bun.spawnSync([denoPath(), "fmt", "--ext", "ts", "-"], {
    cwd: root,
    stdin: Buffer.from(text),
    stderr: "pipe",
  });
  if (made.exitCode !== 0) throw new Error(`deno fmt: ${made.stderr}`);
  return made.stdout.toString();
}

async function main(flags: readonly string[]): Promise<number> {
  if (flags.includes("--check")) {
    if (formatted(await apiText()) === await readFile(apiFile, "utf8").catch(() => "")) return 0;
    console.error("src/recipe/api.ts is not what the definitions say: run `bun scripts/types.ts --write-api`");
    return 1;
  }
  if (flags.includes("--write-api")) await writeFile(apiFile, formatted(await apiText()));
  console.log(relative(process.cwd(), await buildTypes()));
  return 0;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
