import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "secret delete",
  summary: "Forget a secret that is kept for recipes",
  effect: "write",
  examples: [{ command: "gpu secret delete HF_TOKEN", says: "it is gone from here" }],
  input: z.object({
    name: z.string().meta({ positional: true, complete: "secret", description: "its name" }),
  }),
  output: z.object({ name: z.string().describe("its name") }),
  async run({ name }, { world }) {
    const { NotFoundError } = await import("../../errors.ts");
    const { checkOwnSecretName, deleteSecret } = await import("../../secrets.ts");
    checkOwnSecretName(name);
    if (await deleteSecret(world, name)) return { name };
    throw new NotFoundError(`no secret \`${name}\` is kept`, { hint: "`gpu secret list` names those that are" });
  },
  view: ({ name }) => ({ stderr: `${name} is forgotten` }),
});
