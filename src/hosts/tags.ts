import { UsageError } from "../errors.ts";

/** Reads `key=value`, each. */
export function tagsOf(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(texts.map((text) => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined) {
      throw new UsageError(`\`${text}\` is not a tag`, { hint: "a tag is written `key=value`" });
    }
    return [key, value];
  }));
}
