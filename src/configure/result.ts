import { z } from "zod";

/** What was configured, or would be. Secrets are named, never shown. */
export const Configured = z.object({
  path: z.string().describe("configuration file"),
  profile: z.string().describe("profile that was made or changed"),
  provider: z.string().nullable().describe("provider whose settings these are"),
  account: z.string().nullable().describe("account of the key, where it was checked and the provider says"),
  isWritten: z.boolean().describe("false with `--dry-run`"),
  changes: z.array(z.object({
    key: z.string().describe("dotted, as `gpu config set` takes it"),
    value: z.unknown().describe("null: it was taken away"),
    from: z.string().describe("flag, variable, file or question"),
  })).describe("values that changed"),
  secrets: z.array(z.object({
    name: z.string().describe("name of the secret"),
    place: z.enum(["keychain", "file"]).nullable().describe("where it is kept; null with `--dry-run`"),
    from: z.string().describe("flag, variable, file or question"),
  })).describe("secrets that were stored"),
  kept: z.array(z.string()).describe("keys that had a value already, which an import does not change"),
  ignored: z.array(z.object({
    from: z.string().describe("file"),
    key: z.string().describe("key in it"),
  })).describe("what an import has no use for"),
  notes: z.array(z.string()).describe("what else a person should know"),
});
export type Configured = z.output<typeof Configured>;
