// What a recipe knows as `z`: zod, and the spans and amounts that flags of a recipe are made of.
import { z } from "zod";
import { durationPattern, type DurationText } from "../duration.ts";
import { sizePattern, type SizeText } from "../size.ts";

export * from "zod";

/**
 * A span of time in the input of a recipe, as text: `--every 5m`, `--for 1h30m`. What is not one is refused before the
 * recipe runs. It goes as it is to everything that takes a span; `duration(…)` makes milliseconds of it.
 *
 * ```ts
 * export default recipe({
 *   summary: "Save checkpoints now and then",
 *   input: z.object({ every: z.duration().default("10m").describe("pause between two") }),
 *   async run({ every }) {
 *     await sleep(every);
 *   },
 * });
 * ```
 */
export function duration(): z.ZodType<DurationText, DurationText>;
// The pattern is what makes the text one: zod has no word for that.
export function duration(): z.ZodType {
  return z.string().regex(durationPattern, "expected a span like `90s`, `10m` or `1h30m`").meta({
    placeholder: "span",
  });
}

/**
 * An amount of data in the input of a recipe, as text: `--cache 16GiB`, `--chunk 500MB`. `size(…)` makes a number of it.
 *
 * ```ts
 * input: z.object({ cache: z.bytes().default("16GiB").describe("memory for the cache") }),
 * ```
 */
export function bytes(): z.ZodType<SizeText, SizeText>;
export function bytes(): z.ZodType {
  return z.string().regex(sizePattern, "expected an amount like `500MB` or `16GiB`").meta({ placeholder: "size" });
}
