import { z } from "zod";
import { openAccounts, viewUsers } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiUser } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci user list",
  summary: "List the users of a CI server on this computer",
  effect: "read",
  examples: [{ command: "gpu ci user list --json", says: "everybody, for a program" }],
  input: z.object({ ...dataParams }),
  output: z.array(CiUser),
  async run({ data }, { world }) {
    using accounts = await openAccounts(world, { data });
    return accounts.users.list();
  },
  view: viewUsers,
});
