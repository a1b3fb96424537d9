import type { Context } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import { checkProvider } from "./access.ts";
import type { Change } from "./change.ts";
import { readKey, showKey } from "./keys.ts";
import { changedConfig, setConfig } from "./write.ts";

/** Gives a key the first reading of these words that fits it: as YAML, as text, as a list. */
export async function setValue(context: Context, key: string, words: readonly string[]): Promise<Change> {
  const keys = keyToChange(context, key, await context.config());
  const { parse } = await import("yaml");
  const texts = words.map((text) => ({ text, value: parsed(parse, text) }));
  const [only] = texts;
  const readings = texts.length === 1 && only
    ? [only.value, only.text, [only.value], [only.text]]
    : [texts.map(({ value }) => value), texts.map(({ text }) => text)];
  let complaint: unknown;
  for (const value of readings) {
    const change = { keys, value };
    try {
      await changedConfig(context.world, [change]);
    } catch (error) {
      complaint ??= error;
      continue;
    }
    await setConfig(context.world, [change]);
    return change;
  }
  throw new UsageError(`\`${showKey(keys)}\` cannot be \`${words.join(" ")}\`: ${reasonOf(complaint)}`, {
    hint: "nothing was written",
    cause: complaint,
  });
}

/** Takes a key away. */
export async function unsetValue(context: Context, key: string): Promise<Change> {
  const keys = keyToChange(context, key, await context.config());
  const change = { keys, value: undefined };
  await setConfig(context.world, [change]);
  return change;
}

function keyToChange({ registry }: Context, key: string, config: Parameters<typeof readKey>[1]): string[] {
  const keys = readKey(key, config);
  const [first, name, last] = keys;
  if (first === "providers" && name !== undefined) checkProvider(registry, name);
  if (last !== undefined && keys.at(-1) === "apiKey") {
    throw new UsageError("a key does not belong into the configuration", {
      hint: `\`gpu configure --profile ${name} --ci-key -\` stores it where keys are kept`,
    });
  }
  return keys;
}

function parsed(parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text) ?? text;
  } catch {
    return text;
  }
}

/** The schema's words, without the name of the key and the place in a file that was not written. */
function reasonOf(error: unknown): string {
  if (!(error instanceof GpuError)) throw error;
  return error.message.replace(/^.*? is wrong: /, "").replace(/ \([^()]*:\d+:\d+\)$/, "");
}
