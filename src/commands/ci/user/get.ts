import { z } from "zod";
import { chosenUser, openAccounts, userParams, viewUser } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiUser } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci user get",
  summary: "Show a user of a CI server on this computer",
  effect: "read",
  examples: [{ command: "gpu ci user get --email ada@example.com", says: "by the address" }],
  input: z.object({ ...userParams, ...dataParams }),
  output: CiUser,
  async run({ id, email, data }, { world }) {
    const choice = chosenUser({ id, email });
    using accounts = await openAccounts(world, { data });
    return accounts.users.get(choice);
  },
  view: viewUser,
});
