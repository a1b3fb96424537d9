import type { Config } from "../config.ts";

/** One value of the configuration; an undefined one removes its key. */
export interface Change {
  readonly keys: readonly string[];
  readonly value: unknown;
}

/** The value at these keys; undefined where there is none. */
export function valueAt(config: Config, keys: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of keys) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.entries(value).find(([name]) => name === key)?.[1];
  }
  return value;
}

/** Whether the configuration says so already. */
export function sameValue(config: Config, { keys, value }: Change): boolean {
  return Bun.deepEquals(valueAt(config, keys), value);
}
