import type { Suspect } from "./secrets.ts";
import { sizeText } from "./text.ts";

/** A project of more bytes is worth a word before it is sent. */
const largeProjectBytes = 200 * 2 ** 20;
const named = 5;

export interface WarningOptions {
  /** Names all that looks like a secret, however much that is. */
  readonly isWhole?: boolean;
}

/** What a person may want to know before a project leaves: what looks like a secret, a large size. */
export function warningsOf(
  { suspects, bytes, isWhole = false }: { suspects: readonly Suspect[]; bytes: number } & WarningOptions,
): string[] {
  const most = isWhole ? suspects.length : named;
  const shown = suspects.slice(0, most).map(({ name, looksLike }) => `${JSON.stringify(name)} looks like ${looksLike}`);
  const more = suspects.length > most ? `, and ${suspects.length - most} more (\`gpu ci pack --list\` names them)` : "";
  return [
    ...(suspects.length > 0
      ? [`${shown.join(", ")}${more}, and will be sent; a line in \`.gpuignore\` leaves it out`]
      : []),
    ...(bytes > largeProjectBytes
      ? [`the project is ${sizeText(bytes)}; a \`.gpuignore\` leaves out what the tests do not need`]
      : []),
  ];
}
