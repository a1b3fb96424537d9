import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "secret set",
  summary: "Keep a secret for recipes and notifications",
  description:
    "In the system's keychain, or where there is none in a file that only you may read. It is asked for, or read from\n" +
    "stdin, so that it stands in no history of a shell. A recipe reads it with `secrets.get(…)`.",
  effect: "write",
  examples: [
    { command: "gpu secret set HF_TOKEN", says: "asks for it" },
    { command: "pass show hf | gpu secret set HF_TOKEN", says: "from a program" },
  ],
  input: z.object({
    name: z.string().meta({ positional: true, description: "its name, as of an environment variable: `HF_TOKEN`" }),
  }),
  output: z.object({
    name: z.string().describe("its name"),
    place: z.enum(["keychain", "file"]).describe("where it is kept"),
  }),
  async run({ name }, { world, signal }) {
    const { checkOwnSecretName, writeSecret } = await import("../../secrets.ts");
    const { readNewSecret } = await import("../../configure/new-secret.ts");
    checkOwnSecretName(name);
    return { name, place: await writeSecret(world, name, await readNewSecret(world, { name, signal })) };
  },
  view: ({ name, place }) => ({ stderr: `${name} is kept in ${place === "file" ? "a file" : "the keychain"}` }),
});
