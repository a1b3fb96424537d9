// Makes dist/test-support.bin, packed into the executable: what `gpu recipe test` loads before tests, as one packed file.
//   bun scripts/test-support.ts        nothing to do when no source of it changed
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { constants, zstdCompressSync } from "node:zlib";
import { leaveOutNativeModules } from "./native.ts";
import { sourcesHash } from "./sources.ts";
import { root } from "./toolchain.ts";

const output = join(root, "dist", "test-support.bin");

if (import.meta.main) await buildTestSupport();

/** Builds `dist/test-support.bin` unless it is of the same sources already. Returns its path. */
export async function buildTestSupport(): Promise<string> {
  const stamp = join(root, "dist", "test-support.built-from");
  const key = sourcesHash(["src/**/*.ts", "recipes/*.ts", "scripts/native.ts", "scripts/test-support.ts"]);
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === key) return output;
  mkdirSync(join(root, "dist"), { recursive: true });
  writeWhole(output, zstdCompressSync(await bundle(), { params: { [constants.ZSTD_c_compressionLevel]: 12 } }));
  writeWhole(stamp, key);
  return output;
}

async function bundle(): Promise<string> {
  const { outputs: [file] } = await Bun.build({
    entrypoints: [join(root, "src/test-main.ts")],
    target: "bun",
    format: "esm",
    minify: true,
    plugins: [
      { name: "without native modules", setup: leaveOutNativeModules },
      { name: "without what is embedded", setup: leaveOutEmbedded },
    ],
  });
  if (file === undefined) throw new Error("src/test-main.ts could not be bundled");
  return await file.text();
}

/** Types for editors, and this very file: tests of recipes have no use for them. */
function leaveOutEmbedded(builder: Bun.PluginBuilder): void {
  builder.onResolve({ filter: /dist\/[a-z-]+\.bin$/ }, ({ path }) => ({ path, namespace: "embedded" }));
  builder.onLoad({ filter: /.*/, namespace: "embedded" }, () => ({ contents: 'export default "";', loader: "js" }));
}

function writeWhole(path: string, content: string | Uint8Array): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}
