import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "secret list",
  summary: "List the secrets that are kept for recipes",
  description: "Names and places; what they are is never shown.",
  effect: "read",
  examples: [{ command: "gpu secret list", says: "what is kept, and where" }],
  input: z.object({}),
  output: z.array(z.object({
    name: z.string().describe("its name"),
    place: z.enum(["keychain", "file"]).describe("where it is kept"),
  })),
  async run(_input, { world }) {
    const { listOwnSecrets } = await import("../../secrets.ts");
    return await listOwnSecrets(world);
  },
  view: (secrets) => ({
    columns: ["name", "place"],
    rows: secrets.map(({ name, place }) => [name, place]),
    ...(secrets.length === 0 ? { empty: "no secret is kept; `gpu secret set <name>` keeps one" } : {}),
  }),
});
