// What providers keep beside machines, as commands show it.
import { z } from "zod";
import type { Filesystem as Kept } from "./provider.ts";

export const SshKey = z.object({
  id: z.string().describe("the provider's id"),
  name: z.string().describe("name at the provider"),
  publicKey: z.string().describe("public key in OpenSSH's one-line form"),
});

export const Filesystem = z.object({
  id: z.string().describe("the provider's id"),
  name: z.string().describe("its name, as `gpu start --filesystem` takes it"),
  region: z.string().describe("region it is in"),
  mountPoint: z.string().describe("where instances see it"),
  isInUse: z.boolean().describe("an instance has it mounted"),
  bytesUsed: z.number().nullable().describe("bytes on it, null where the provider does not say"),
});

export function toFilesystem(kept: Kept): z.output<typeof Filesystem> {
  return { ...kept, bytesUsed: kept.bytesUsed ?? null };
}
