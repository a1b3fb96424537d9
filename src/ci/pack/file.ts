import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { GpuError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";

/** Writes a stream to a file that is there whole or not at all, its owner's alone. Returns its size. */
export async function writeStreamWhole(
  path: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<number> {
  const draft = `${path}.${randomUUID()}.new`;
  let bytes = 0;
  const wrapped = (error: unknown) => new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, { cause: error });
  try {
    await using file = await open(draft, "wx", 0o600).catch((error) => {
      throw wrapped(error);
    });
    for await (const part of stream) {
      bytes += part.length;
      await file.writeFile(part).catch((error) => {
        throw wrapped(error);
      });
    }
    await rename(draft, path).catch((error) => {
      throw wrapped(error);
    });
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  return bytes;
}
