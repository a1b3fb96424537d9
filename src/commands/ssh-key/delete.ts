import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { NotFoundError } from "../../errors.ts";
import { SshKey } from "../../provider/shown.ts";

export default defineCommand({
  name: "ssh-key delete",
  summary: "Delete an SSH key at a provider",
  description: "Instances that run keep it; new ones cannot be launched with it.",
  effect: "destroy",
  examples: [{ command: "gpu ssh-key delete laptop --yes", says: "by name or id" }],
  input: z.object({ key: z.string().meta({ positional: true, description: "id or name of the key" }) }),
  output: SshKey,
  plan: ({ key }) => Promise.resolve({ action: `delete the SSH key ${key}`, loss: "the provider's copy of it" }),
  async run({ key }, context) {
    const { requireAbility } = await import("../../provider/ability.ts");
    const provider = await context.provider();
    const keys = requireAbility(provider, provider.sshKeys, "keep SSH keys");
    const found = (await keys.list(context.signal)).find(({ id, name }) => id === key || name === key);
    if (!found) throw new NotFoundError(`there is no SSH key \`${key}\``, { hint: "`gpu ssh-key list` lists them" });
    await keys.delete(found.id, context.signal);
    return found;
  },
  view: ({ name }) => `${name} is deleted`,
});
