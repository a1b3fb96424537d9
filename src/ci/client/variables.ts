import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { GpuError, NotFoundError, systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { parseEnvFile } from "../env-file.ts";

/** A device may never end; variables are short. */
const maxBytes = 2 ** 20;

interface Where {
  /** What a relative name is relative to. */
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** The variables for a job in a file, or in a pipe: what `<(…)` gives keeps a secret off the disk. */
export async function readVariables(file: string, where: Where): Promise<Record<string, string>> {
  const { signal } = where;
  // A pipe that nobody writes to is not even opened, and hears of no signal.
  const interrupted = Promise.withResolvers<never>();
  const stop = () => interrupted.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const bytes = await Promise.race([readShort(file, where), interrupted.promise]);
    return parseEnvFile(bytes.toString("utf8"), file);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function readShort(file: string, { cwd, signal }: Where): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of createReadStream(resolve(cwd, file), { signal })) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > maxBytes) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    const code = systemCode(error);
    const options = { hint: "`--env-file` names a file of variables", cause: error };
    if (code === "ENOENT" || code === "ENOTDIR") throw new NotFoundError(`there is no file \`${file}\``, options);
    throw new GpuError(`cannot read \`${file}\`: ${reasonOf(error)}`, options);
  }
  if (bytes <= maxBytes) return Buffer.concat(pieces);
  throw new GpuError(`\`${file}\` is larger than 1 MiB`, { hint: "`--env-file` names a file of variables" });
}
