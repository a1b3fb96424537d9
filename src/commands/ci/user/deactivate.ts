import { z } from "zod";
import { chosenUser, openAccounts, userParams, viewUser } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { CiUser } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci user deactivate",
  summary: "Let a user of a CI server submit no more",
  description:
    "The user's keys are no longer accepted, what follows a job with them ends. Jobs and keys stay, jobs that run go on.",
  effect: "write",
  examples: [{ command: "gpu ci user deactivate --email ada@example.com", says: "from this moment" }],
  input: z.object({ ...userParams, ...dataParams }),
  output: CiUser,
  async run({ id, email, data }, { world }) {
    const choice = chosenUser({ id, email });
    using accounts = await openAccounts(world, { data });
    return accounts.users.setActive(choice, { isActive: false });
  },
  view: viewUser,
});
