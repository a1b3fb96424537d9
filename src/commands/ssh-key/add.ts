import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { SshKey } from "../../provider/shown.ts";

export default defineCommand({
  name: "ssh-key add",
  summary: "Give a provider a public SSH key",
  effect: "write",
  examples: [{
    command: "gpu ssh-key add laptop ~/.ssh/id_ed25519.pub",
    says: "the public half; the private one stays here",
  }],
  input: z.object({
    name: z.string().min(1).max(64).meta({ positional: true, description: "name of the key at the provider" }),
    file: z.string().meta({ positional: true, complete: "file", description: "file with the public key" }),
  }),
  output: SshKey,
  async run({ name, file }, context) {
    const { readPublicKey } = await import("../../ssh/public-key.ts");
    const { requireAbility } = await import("../../provider/ability.ts");
    const publicKey = await readPublicKey(file, context.world);
    const provider = await context.provider();
    return await requireAbility(provider, provider.sshKeys, "keep SSH keys").add({ name, publicKey }, context.signal);
  },
  view: ({ id, name }) => `${name} is added as ${id}`,
});
