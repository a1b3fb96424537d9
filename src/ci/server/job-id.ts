import type { World } from "../../world.ts";

/** Whether that is one of these ids: a name in a folder may be anybody's. */
export function isJobId(name: string): boolean {
  return /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(name);
}

/** A UUID of version 4, as the existing server's job ids are (RFC 9562, section 5.4). */
export function newJobId({ random }: Pick<World, "random">): string {
  const hex = Buffer.from(random(16)).toString("hex");
  const variant = ((parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, variant + hex.slice(18, 20), hex.slice(20)]
    .join("-");
}
