import { z } from "zod";
import { openAccounts } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiKey } from "../../../ci/server/keys.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci key revoke",
  summary: "Make a key of a CI server on this computer invalid",
  description:
    "From this moment the server does not accept it, and who follows a job with it is cut off. Jobs that were submitted with it\n" +
    "go on.",
  effect: "write",
  examples: [{ command: "gpu ci key revoke key_0123456789ab", says: "by the id that `gpu ci key list` shows" }],
  input: z.object({
    id: z.string().meta({ positional: true, description: "id of the key" }),
    ...dataParams,
  }),
  output: CiKey,
  async run({ id, data }, { world }) {
    using accounts = await openAccounts(world, { data });
    return accounts.keys.revoke(id);
  },
  view: ({ id, name, user_email }) => `${id} (${name}, ${user_email}) is revoked`,
});
