import { GpuError } from "../errors.ts";

/** What `step` returned may take so much of a log, as JSON. */
const longestMemo = 2 ** 20;

/** What a step returned, as JSON: only what that can hold comes back as it was. `undefined` stays what it is. */
export function memoText(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = textOf(value);
  if (text !== undefined && text.length > longestMemo) {
    throw new GpuError(`the step \`${key}\` returned ${text.length} characters, and at most ${longestMemo} are kept`, {
      hint: "write it to a file, and return the path",
    });
  }
  if (text === undefined || !Bun.deepEquals(JSON.parse(text), value)) {
    throw new GpuError(`the step \`${key}\` returned what JSON cannot hold, so a later run could not be given it`, {
      hint: "return text, numbers, booleans, null, and lists and objects of them",
    });
  }
  return text;
}

/** Undefined where JSON has no words for it: a function, a `bigint`, what is in itself. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
