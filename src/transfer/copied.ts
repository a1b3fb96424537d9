import { z } from "zod";
import type { View } from "../command.ts";
import { bytesText } from "../bytes-text.ts";
import { countText } from "./amounts.ts";

/** What `gpu cp` did, or would do. */
export const CopyResult = z.object({
  files: z.number().int().describe("files copied"),
  bytes: z.number().describe("their size"),
  resumedBytes: z.number().describe("of those, what an interrupted copy had left there already"),
  skipped: z.array(z.object({ name: z.string().describe("its path"), why: z.string().describe("the reason") }))
    .describe("what is not copied, and why"),
  dryRun: z.boolean().describe("nothing was copied"),
  planned: z.array(z.object({ path: z.string().describe("its path"), bytes: z.number().describe("its size") }))
    .describe(
      "what would be copied; of a dry run only",
    ),
  durationMs: z.number().describe("from start to end, in milliseconds"),
});
export type CopyResult = z.output<typeof CopyResult>;

export function viewCopy({ files, bytes, resumedBytes, skipped, dryRun, planned, durationMs }: CopyResult): View {
  const amount = `${countText(files, "file")}, ${bytesText(bytes)}`;
  const rate = durationMs >= 1000 ? `, ${bytesText((bytes - resumedBytes) / (durationMs / 1000))}/s` : "";
  const resumed = resumedBytes > 0 ? ` (${bytesText(resumedBytes)} were there)` : "";
  return [
    ...skipped.map(({ name, why }) => ({ stderr: `${name} is left out: ${why}` })),
    ...planned.map(({ path, bytes }) => `${path} (${bytesText(bytes)})`),
    { stderr: dryRun ? `${amount} would be copied` : `${amount} copied${resumed}${rate}` },
  ];
}
