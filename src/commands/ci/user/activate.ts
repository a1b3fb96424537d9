import { z } from "zod";
import { chosenUser, openAccounts, userParams, viewUser } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiUser } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci user activate",
  summary: "Let a user of a CI server submit again",
  description: "The user's keys are accepted again.",
  effect: "write",
  examples: [{ command: "gpu ci user activate --email ada@example.com", says: "after a while away" }],
  input: z.object({ ...userParams, ...dataParams }),
  output: CiUser,
  async run({ id, email, data }, { world }) {
    const choice = chosenUser({ id, email });
    using accounts = await openAccounts(world, { data });
    return accounts.users.setActive(choice, { isActive: true });
  },
  view: viewUser,
});
