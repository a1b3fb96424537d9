import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { GpuError } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { nothingCaptured } from "./capture.ts";
import type { HostOutput, Output } from "./output.ts";

/** `HOST.out` and `HOST.err` in a folder, which is made where it is missing. */
export async function fileOutput(folder: string): Promise<Output> {
  await doing(`make the folder \`${folder}\``, () => mkdir(folder, { recursive: true }));
  const taken = new Set<string>();
  return {
    async open(host): Promise<HostOutput> {
      const name = fileName(host, taken);
      const stdout = await create(join(folder, `${name}.out`));
      const stderr = await create(join(folder, `${name}.err`)).catch(async (error: unknown) => {
        await stdout.close();
        throw error;
      });
      const files = { stdout, stderr };
      return {
        write: (stream, chunk) =>
          doing(`write the output of \`${host}\` into \`${folder}\``, () => files[stream].writeFile(chunk)),
        async end() {
          await files.stdout.close();
          await files.stderr.close();
          return nothingCaptured;
        },
      };
    },
    end: () => Promise.resolve(),
  };
}

/** A name is data: what could lead out of the folder, or means something to a system or a shell, is a `_` in it. */
export function fileName(host: string, taken: Set<string>): string {
  const safe = host.replace(/[^A-Za-z0-9._@,:+-]/g, "_").replace(/:/g, "_").replace(/^[.-]+/, "_").slice(0, 200) || "_";
  // Where capitals are no difference, and Windows keeps some names for itself.
  const base = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(safe) ? `_${safe}` : safe;
  for (let count = 1;; count++) {
    const name = count === 1 ? base : `${base}~${count}`;
    if (taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    return name;
  }
}

/** Only its owner reads it, and a link that lies there already is not followed. */
async function create(path: string): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW = 0 } = constants;
  return await doing(`write \`${path}\``, () => open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600));
}

async function doing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new GpuError(`cannot ${what}: ${reasonOf(error)}`, { cause: error });
  }
}
