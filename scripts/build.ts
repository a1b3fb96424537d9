// Compiles `gpu`: `scripts/build` for this computer into dist/gpu, `scripts/build --all` for every platform beside it.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
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
  plugins: [{ name: "without native modules", setup: leaveOutNativeModules }],
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

const platforms = [
  { target: "bun-linux-x64", package: "@oven/bun-linux-x64", outfile: "gpu-linux-x64" },
  { target: "bun-linux-arm64", package: "@oven/bun-linux-aarch64", outfile: "gpu-linux-arm64" },
  { target: "bun-linux-x64-musl", package: "@oven/bun-linux-x64-musl", outfile: "gpu-linux-x64-musl" },
  { target: "bun-linux-arm64-musl", package: "@oven/bun-linux-aarch64-musl", outfile: "gpu-linux-arm64-musl" },
  { target: "bun-darwin-x64", package: "@oven/bun-darwin-x64", outfile: "gpu-darwin-x64" },
  { target: "bun-darwin-arm64", package: "@oven/bun-darwin-aarch64", outfile: "gpu-darwin-arm64" },
  { target: "bun-windows-x64", package: "@oven/bun-windows-x64", outfile: "gpu-windows-x64.exe" },
] as const;

if (import.meta.main) {
  if (process.argv.includes("--all")) await buildAll();
  else console.log(await build() ? `compiled ${executable}` : `${executable} is up to date`);
}

/** Compiles dist/gpu unless nothing changed since it was compiled. Says whether it had to. */
export async function build(): Promise<boolean> {
  const stamp = inputHash();
  if (existsSync(executable) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return false;
  generateTypes();
  await compile({ outfile: executable });
  writeFileSync(stampPath, stamp);
  return true;
}

/** Compiles one executable. It is moved into place whole, so one that runs meanwhile is not disturbed. */
export async function compile({ outfile, entrypoints = productEntrypoints(), ...options }: {
  outfile: string;
  entrypoints?: string[];
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
      compile: { ...autoload, ...options, outfile: join(staging, name) },
    });
    renameSync(join(staging, name), outfile);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function productEntrypoints(): string[] {
  return [join(root, "src/main.ts"), ...globSync("src/**/*.worker.ts", { cwd: root }).map((path) => join(root, path))];
}

/** Compiles for every platform, around the executables of Bun that the npm registry has for them. */
async function buildAll(): Promise<void> {
  const installed = installPlatforms();
  await build();
  for (const { target, package: name, outfile } of platforms) {
    const bun = join(installed, "node_modules", name, "bin", name.includes("windows") ? "bun.exe" : "bun");
    await compile({ target, executablePath: bun, outfile: join(dist, outfile) });
    console.log(`compiled dist/${outfile}`);
  }
}

/** Installs Bun for every platform into .toolchain, whatever this computer is, and returns the folder. */
function installPlatforms(): string {
  const folder = join(root, ".toolchain/platforms");
  const dependencies = Object.fromEntries(platforms.map((platform) => [platform.package, Bun.version]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  const { status } = spawnSync(process.execPath, ["install", "--os=*", "--cpu=*", "--ignore-scripts"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error("installing Bun for the other platforms failed");
  return folder;
}

/** Writes dist/types.bin: the declarations that recipes are checked against, embedded in the executable. */
export function generateTypes(): void {
  const { status } = spawnSync(process.execPath, [join(root, "scripts/types.ts")], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error("generating the types for recipes failed");
}

/** All that decides what is compiled, as one hash. */
function inputHash(): string {
  const hash = new Bun.CryptoHasher("sha256").update(process.execPath + Bun.version);
  const inputs = globSync(["src/**", "scripts/build.ts", "scripts/types.ts", "package.json", "bun.lock"], {
    cwd: root,
  });
  for (const path of inputs.filter((path) => statSync(join(root, path)).isFile()).sort()) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

/** ssh2's optional native parts are for the machine they are built on; it has JavaScript for all they do. */
function leaveOutNativeModules(builder: Bun.PluginBuilder): void {
  builder.onResolve({ filter: /(\.node|^cpu-features)$/ }, ({ path }) => ({ path, namespace: "native" }));
  builder.onLoad(
    { filter: /.*/, namespace: "native" },
    () => ({ contents: 'throw new Error("left out")', loader: "js" }),
  );
}
