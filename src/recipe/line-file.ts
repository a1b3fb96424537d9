import { appendFileSync, chmodSync, existsSync } from "node:fs";
import { GpuError } from "../errors.ts";
import { reasonOf } from "../files.ts";

/**
 * Adds lines to a file of the user; its owner's alone where it is new. Throws where it cannot be written from the start;
 * later `onProblem` hears of that once, and what costs money goes on.
 */
export function lineFile(path: string, onProblem: (error: GpuError) => void): (lines: string) => void {
  const isNew = !existsSync(path);
  const problem = (cause: unknown) => new GpuError(`cannot write \`${path}\`: ${reasonOf(cause)}`, { cause });
  try {
    appendFileSync(path, "", { mode: 0o600 });
  } catch (error) {
    throw problem(error);
  }
  if (isNew) chmodSync(path, 0o600);
  let isBroken = false;
  return (lines) => {
    if (isBroken) return;
    try {
      appendFileSync(path, lines);
    } catch (error) {
      isBroken = true;
      onProblem(problem(error));
    }
  };
}
