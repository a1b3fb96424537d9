import type { Suspect } from "./secrets.ts";
import { sizeText } from "./text.ts";

/** A project of more bytes is worth a word before it is sent. */
const largeProjectBytes = 200 * 2 ** 20;
const named = 5;

/** What a person may want to know before a project leaves: what looks like a secret, a large size. */
export function warningsOf(suspects: readonly Suspect[], bytes: number): string[] {
  const shown = suspects.slice(0, named).map(({ name, looksLike }) =>
    `${JSON.stringify(name)} looks like ${looksLike}`
  );
  const more = suspects.length > named ? `, and ${suspects.length - named} more` : "";
  return [
    ...(suspects.length > 0
      ? [`${shown.join(", ")}${more}, and will be sent; a line in \`.gpuignore\` leaves it out`]
      : []),
    ...(bytes > largeProjectBytes
      ? [`the project is ${sizeText(bytes)}; a \`.gpuignore\` leaves out what the tests do not need`]
      : []),
  ];
}
