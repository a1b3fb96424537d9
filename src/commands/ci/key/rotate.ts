import { z } from "zod";
import { openAccounts, viewNewKey } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { NewCiKey } from "../../../ci/server/keys.ts";
import { defineCommand } from "../../../command.ts";
import { durationPattern } from "../../../duration.ts";

export default defineCommand({
  name: "ci key rotate",
  summary: "Put a new key in the place of an old one",
  description: "The new key has the old one's user and name, and is accepted for as long from now on.",
  effect: "write",
  examples: [
    { command: "gpu ci key rotate key_0123456789ab", says: "the old key is revoked at once" },
    { command: "gpu ci key rotate key_0123456789ab --grace 1d", says: "the old key is accepted for a day more" },
  ],
  input: z.object({
    id: z.string().meta({ positional: true, description: "id of the key" }),
    grace: z.string().regex(durationPattern, "a span like `1d`").optional().meta({
      placeholder: "span",
      description: "for how long the old key is still accepted",
    }),
    ...dataParams,
  }),
  output: NewCiKey,
  async run({ id, grace, data }, { world }) {
    const { durationMs } = await import("../../../duration.ts");
    using accounts = await openAccounts(world, { data });
    return accounts.keys.rotate(id, { graceMs: grace === undefined ? 0 : durationMs(grace) });
  },
  view: viewNewKey,
});
