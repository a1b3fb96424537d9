import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { GpuError } from "../../errors.ts";
import { makePrivateFolder, writeWhole } from "../../files.ts";
import type { World } from "../../world.ts";

/** The file that is loaded before tests: from source it is one of ours, in the executable it is unpacked once. */
export async function testSupport({ self, folders }: Pick<World, "self" | "folders">): Promise<string> {
  if (self.length > 1) return join(import.meta.dir, "../../test-main.ts");
  const packed = await embedded();
  const key = createHash("sha256").update(packed).digest("hex").slice(0, 16);
  const folder = join(folders.cache, "test-support");
  const path = join(folder, `${key}.js`);
  if (existsSync(path)) return path;
  await makePrivateFolder(folder);
  await writeWhole(path, (await promisify(zstdDecompress)(packed)).toString());
  return path;
}

async function embedded(): Promise<Uint8Array> {
  try {
    const { default: path } = await import("../../../dist/test-support.bin", { with: { type: "file" } });
    // `node:fs` opens nothing of what is inside of the executable; `Bun.file` does.
    return await Bun.file(path).bytes();
  } catch (cause) {
    throw new GpuError("what tests of recipes need is not in this executable", {
      hint: "`scripts/build` builds one that has it",
      cause,
    });
  }
}
