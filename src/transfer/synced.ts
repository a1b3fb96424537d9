import { z } from "zod";
import type { View } from "../command.ts";
import { bytesText } from "../bytes-text.ts";
import { countText } from "./amounts.ts";

/** What one pass of `gpu sync` did, or would do. */
export const SyncResult = z.object({
  files: z.number().int().describe("files and links that were sent: new or changed ones"),
  bytes: z.number().describe("size of these files"),
  deleted: z.number().int().describe("files, links and folders deleted"),
  same: z.number().int().describe("files that were the same already"),
  skipped: z.array(z.object({ name: z.string().describe("its path"), why: z.string().describe("the reason") }))
    .describe("what is not sent, and why"),
  warnings: z.array(z.string()).describe("what the machine could not look at, in its own words"),
  dryRun: z.boolean().describe("nothing was changed"),
  planned: z.array(z.object({
    action: z.enum(["send", "delete"]).describe("what would be done"),
    path: z.string().describe("to which file"),
    bytes: z.number().nullable().describe("null for what is deleted"),
  })).describe("what would be done; of a dry run only"),
  durationMs: z.number().describe("from start to end, in milliseconds"),
});
export type SyncResult = z.output<typeof SyncResult>;

export function viewSync(result: SyncResult): View {
  const { files, bytes, deleted, same, skipped, warnings, dryRun, planned } = result;
  const would = dryRun ? "would be " : "";
  const facts = [
    ...(files > 0 || deleted === 0 ? [`${countText(files, "file")}, ${bytesText(bytes)} ${would}copied`] : []),
    ...(deleted > 0 ? [`${deleted} ${would}deleted`] : []),
    `${same} the same`,
  ];
  return [
    ...skipped.map(({ name, why }) => ({ stderr: `${name} is left out: ${why}` })),
    ...warnings.map((text) => ({ stderr: `warning: ${text}` })),
    ...planned.map(({ action, path, bytes }) =>
      action === "delete" ? `delete ${path}` : `copy ${path} (${bytesText(bytes ?? 0)})`
    ),
    { stderr: facts.join(", ") },
  ];
}
