import { appendFileSync, chmodSync, existsSync } from "node:fs";
import { GpuError } from "../errors.ts";
import { reasonOf } from "../files.ts";

/** Adds lines to a file of the user; its owner's alone where it is new. */
export function lineFile(path: string): (lines: string) => void {
  const isNew = !existsSync(path);
  const write = (lines: string) => {
    try {
      appendFileSync(path, lines, { mode: 0o600 });
    } catch (error) {
      throw new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, { cause: error });
    }
  };
  write("");
  if (isNew) chmodSync(path, 0o600);
  return write;
}
