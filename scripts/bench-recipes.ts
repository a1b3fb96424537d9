import { benchParts } from "./bench-parts.ts";

/** `scripts/bench recipes [part]`: what starts a recipe beside other ways to run a script, and many steps at once. */
export async function recipes(argv: readonly string[]): Promise<void> {
  await benchParts("bench-recipes", argv);
}
