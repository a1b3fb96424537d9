import { z } from "zod";
import { chosenUser, openAccounts, viewNewKey } from "../../../ci/server/administration.ts";
import { dataParams } from "../../../ci/server/data-folder.ts";
import { NewCiKey } from "../../../ci/server/keys.ts";
import { AccountName } from "../../../ci/server/users.ts";
import { defineCommand } from "../../../command.ts";
import { positiveDurationPattern } from "../../../duration.ts";

export default defineCommand({
  name: "ci key create",
  summary: "Make a key for a user of a CI server here",
  description: "The key is printed once, alone on standard output; the server keeps only its SHA-256.",
  effect: "write",
  examples: [
    { command: "gpu ci key create --email ada@example.com --name laptop", says: "a key that ends in 90 days" },
    { command: "gpu ci key create --email ci@example.com --name runner --expires never", says: "one that does not" },
  ],
  input: z.object({
    userId: z.string().optional().meta({ placeholder: "id", description: "id of the user" }),
    email: z.string().optional().meta({
      placeholder: "address",
      description: "address of the user, instead of the id",
    }),
    name: AccountName.describe("what the key is called, such as where it is used"),
    expires: z.string().regex(
      new RegExp(`${positiveDurationPattern.source}|^never$`),
      "a span of more than nothing, like `90d`, or `never`",
    ).default("90d").meta({ placeholder: "span", description: "for how long it is accepted, or `never` for no end" }),
    ...dataParams,
  }),
  output: NewCiKey,
  async run({ userId: id, email, name, expires, data }, { world }) {
    const { durationMs } = await import("../../../duration.ts");
    const choice = chosenUser({ id, email });
    using accounts = await openAccounts(world, { data });
    return accounts.keys.create(choice, { name, lifetimeMs: expires === "never" ? undefined : durationMs(expires) });
  },
  view: viewNewKey,
});
