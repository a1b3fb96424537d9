// Compiles `gpu`: `scripts/build` for this computer into dist/gpu, `scripts/build --all` for every platform beside it.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { removeAbandoned } from "./abandoned.ts";
import { executableName, type Platform, platforms } from "./releases/platforms.ts";
import { leaveOutNativeModules } from "./native.ts";
import { sourcesHash } from "./sources.ts";
import { buildTestSupport } from "./test-support.ts";
import { root } from "./toolchain.ts";

/** The executable for this computer. */
export const executable = join(root, "dist", process.platform === "win32" ? "gpu.exe" : "gpu");

const dist = join(root, "dist");
const stampPath = join(dist, "built-from");

/** How every executable of this repository is compiled, the empty one of the benchmark included. */
export const compileOptions = {
  target: "bun",
  format: "esm",
  minify: true,
  bytecode: true,
  splitting: true,
  sourcemap: "linked",
  plugins: [
    { name: "without native modules", setup: leaveOutNativeModules },
    { name: "without folders of this computer", setup: leaveOutFolders },
  ],
} satisfies Partial<Bun.BuildConfig>;

/**
 * What the executable reads in the folder it is started in: no code and no secrets, but how recipes find packages.
 * Not tsconfig.json: its `paths` would put another file in the place of the recipe that was named.
 */
export const autoload = {
  autoloadDotenv: false,
  autoloadBunfig: false,
  autoloadPackageJson: true,
  autoloadTsconfig: false,
} as const;

if (import.meta.main) {
  if (process.argv.includes("--all")) await buildAll();
  else console.log(await build() ? `compiled ${executable}` : `${executable} is up to date`);
}

/** Compiles dist/gpu unless nothing changed since it was compiled. Says whether it had to. */
export async function build(): Promise<boolean> {
  const stamp = inputHash();
  if (existsSync(executable) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return false;
  await generateEmbedded();
  await compile({ outfile: executable });
  writeFileSync(stampPath, stamp);
  return true;
}

/** Compiles one executable. It is moved into place whole, so one that runs meanwhile is not disturbed. */
export async function compile({ outfile, entrypoints = productEntrypoints(), define = {}, ...options }: {
  outfile: string;
  entrypoints?: string[];
  /** Names in the code, and the expression that each is replaced by. */
  define?: Record<string, string>;
  target?: Bun.Build.CompileTarget;
  executablePath?: string;
}): Promise<void> {
  mkdirSync(dist, { recursive: true });
  // The build leaves a source map for each chunk beside the executable; they are embedded too and go with this folder.
  const staging = mkdtempSync(join(dist, ".build-"));
  const name = outfile.endsWith(".exe") ? "gpu.exe" : "gpu";
  try {
    await Bun.build({
      ...compileOptions,
      entrypoints,
      define,
      compile: { ...autoload, ...options, outfile: join(staging, name) },
    });
    renameSync(join(staging, name), outfile);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Where the bundler begins: the executable, and what its workers run. */
export function productEntrypoints(): string[] {
  return [join(root, "src/main.ts"), ...globSync("src/**/*.worker.ts", { cwd: root }).map((path) => join(root, path))];
}

/** Compiles for every platform, around the executables of Bun that the npm registry has for them. */
async function buildAll(): Promise<void> {
  const bunFor = installPlatforms();
  await build();
  for (const platform of platforms) {
    const outfile = join(dist, executableName(platform));
    await compile({ target: platform.target, executablePath: bunFor(platform), outfile });
    console.log(`compiled dist/${executableName(platform)}`);
  }
}

/** Installs Bun for every platform into .toolchain, whatever this computer is, and returns where each is. */
export function installPlatforms(): (platform: Platform) => string {
  const folder = join(root, ".toolchain/platforms");
  const dependencies = Object.fromEntries(platforms.map(({ bun }) => [bun, Bun.version]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  const { status } = spawnSync(process.execPath, ["install", "--os=*", "--cpu=*", "--ignore-scripts"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error("installing Bun for the other platforms failed");
  return ({ bun, os }) => join(folder, "node_modules", bun, "bin", os === "windows" ? "bun.exe" : "bun");
}

/** Writes what is embedded in every executable and computed: without it the compiler would leave it out in silence. */
export async function generateEmbedded(): Promise<void> {
  generateTypes();
  await buildTestSupport();
}

/** Writes dist/types.bin: the declarations that recipes are checked against, embedded in the executable. */
export function generateTypes(): void {
  removeAbandoned(dist);
  const { status } = spawnSync(process.execPath, [join(root, "scripts/types.ts")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error("generating the types for recipes failed");
}

/** All that decides what is compiled, as one hash. */
function inputHash(): string {
  const scripts = ["build", "native", "test-support", "types", "usual-globals"].map((name) => `scripts/${name}.ts`);
  return sourcesHash(["src/**", "recipes/**", ...scripts]);
}

/** Modules that ask for their own folder would carry the one of the computer that built them; nothing is read from it. */
function leaveOutFolders(builder: Bun.PluginBuilder): void {
  builder.onLoad({ filter: /ssh2\/lib\/(agent|protocol\/crypto\/poly1305)\.js$/ }, async ({ path }) => ({
    contents: (await Bun.file(path).text()).replaceAll("__dirname", '"."').replaceAll("__filename", '"."'),
    loader: "js",
  }));
}
