import { z } from "zod";
import { openAccounts, viewUser } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { AccountEmail, AccountName, CiUser } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";

export default defineCommand({
  name: "ci user create",
  summary: "Make a user of a CI server on this computer",
  description:
    "Works on the server's data folder, also while the server runs. `gpu ci key create` makes the user's key.",
  effect: "write",
  examples: [{
    command: "gpu ci user create --name Ada --email ada@example.com",
    says: "somebody who may submit jobs",
  }],
  input: z.object({
    name: AccountName.describe("what the user is called"),
    email: AccountEmail.meta({
      placeholder: "address",
      description: "address of the user, one user each",
    }),
    admin: z.boolean().default(false).describe("let the user's keys make users and keys over HTTP"),
    ...dataParams,
  }),
  output: CiUser,
  async run({ name, email, admin, data }, { world }) {
    using accounts = await openAccounts(world, { data, isNew: true });
    return accounts.users.create({ name, email, isAdmin: admin });
  },
  view: viewUser,
});
