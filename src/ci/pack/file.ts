import { GpuError } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { openWhole } from "../whole-file.ts";

/** Writes a stream to a file that is there whole or not at all, its owner's alone. Returns its size. */
export async function writeStreamWhole(
  path: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<number> {
  let bytes = 0;
  const wrapped = (error: unknown) => new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, { cause: error });
  const failing = (error: unknown): never => {
    throw wrapped(error);
  };
  const whole = await openWhole(path).catch(failing);
  try {
    for await (const part of stream) {
      bytes += part.length;
      await whole.file.writeFile(part).catch(failing);
    }
    await whole.keep().catch(failing);
  } catch (error) {
    await whole.drop().catch(() => {});
    throw error;
  }
  return bytes;
}
