import { z } from "zod";
import { defineCommand } from "../../command.ts";

export default defineCommand({
  name: "ci login",
  summary: "Keep the address of a CI server and your key for it",
  description:
    "Asks for what no flag says, checks it with the server, and keeps it in the profile: the key in the system's keychain\n" +
    "where there is one, else in a file that only you may read. A key given as a flag is seen in the list of processes:\n" +
    "`--api-key -` reads it from stdin.",
  effect: "write",
  takesNewProfile: true,
  examples: [
    { command: "gpu ci login", says: "ask for server and key" },
    { command: "gpu ci login --server https://ci.example.com --api-key - < key.txt", says: "without questions" },
    { command: "gpu ci login --profile work --server https://ci.work.example --api-key -", says: "a second server" },
  ],
  input: z.object({
    server: z.string().optional().meta({ placeholder: "url", description: "address of the CI server" }),
    apiKey: z.string().optional().meta({ placeholder: "key|-", description: "your key; `-` reads it from stdin" }),
    check: z.boolean().default(true).describe("ask the server whether it takes the key"),
  }),
  output: z.object({
    server: z.string().describe("address of the CI server"),
    profile: z.string().describe("profile that it belongs to"),
    place: z.enum(["keychain", "file"]).describe("where the key is kept"),
    jobs: z.number().int().nullable().describe("how many jobs the key shows; `null` where it was not checked"),
    notes: z.array(z.string()).describe("what goes before this key, or is to be known of it"),
  }),
  async run(given, context) {
    const { logIn } = await import("../../ci/client/login.ts");
    const { setConfig } = await import("../../configure/write.ts");
    const { readSecretFlags } = await import("../../configure/given.ts");
    const [apiKey] = await readSecretFlags([{ flag: "--api-key", value: given.apiKey }], context);
    return await logIn(context, {
      ...given,
      apiKey,
      keepServer: async (profile, server) => {
        await setConfig(context.world, [{ keys: ["profiles", profile, "ci", "server"], value: server }]);
      },
    });
  },
  view: ({ server, profile, place, jobs, notes }) => [
    ...notes.map((note) => ({ stderr: note })),
    {
      stderr: `${jobs === null ? "not checked" : `${server} takes the key`}; it is kept ${
        place === "keychain" ? "in the system's keychain" : "in credentials.json"
      } for the profile \`${profile}\``,
    },
  ],
});
