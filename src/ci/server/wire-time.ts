/** A time as the protocol writes it, UTC with six places behind the second; `ms` is milliseconds since 1970. */
export function wireTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
