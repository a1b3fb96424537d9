import { z } from "zod";
import { openAccounts, viewKeys } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiKey } from "../../../ci/server/keys.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci key list",
  summary: "List the keys of a CI server on this computer",
  description: "A key itself cannot be shown: the server does not have it.",
  effect: "read",
  examples: [{ command: "gpu ci key list --email ada@example.com", says: "one user's keys" }],
  input: z.object({
    userId: z.string().optional().meta({ placeholder: "id", description: "keys of this user alone" }),
    email: z.string().optional().meta({
      placeholder: "address",
      description: "keys of the user with this address alone",
    }),
    ...dataParams,
  }),
  output: z.array(CiKey),
  async run({ userId: id, email, data }, { world }) {
    using accounts = await openAccounts(world, { data });
    return accounts.keys.list({ id, email });
  },
  view: viewKeys,
});
