import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { SshKey } from "../../provider/shown.ts";

export default defineCommand({
  name: "ssh-key list",
  summary: "List the SSH keys that a provider keeps",
  effect: "read",
  examples: [{ command: "gpu ssh-key list --provider lambda", says: "of one provider" }],
  input: z.object({}),
  output: z.array(SshKey),
  async run(_input, context) {
    const { requireAbility } = await import("../../provider/ability.ts");
    const provider = await context.provider();
    return await requireAbility(provider, provider.sshKeys, "keep SSH keys").list(context.signal);
  },
  view: (keys, { isTTY }) => ({
    columns: ["id", "name", "public key"],
    rows: keys.map((
      { id, name, publicKey },
    ) => [id, name, isTTY && publicKey.length > 60 ? `${publicKey.slice(0, 57)}…` : publicKey]),
    narrow: [{ column: "public key", min: 20 }, { column: "public key" }],
    empty: "there is no key; `gpu ssh-key add` adds one",
  }),
});
