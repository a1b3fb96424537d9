import { z } from "zod";
import { defineCommand } from "../command.ts";
import { Configured } from "../configure/result.ts";

export default defineCommand({
  name: "configure",
  summary: "Set up a provider, its key and your defaults",
  description:
    "Without flags it asks. The key is checked with the provider before anything is written, and is kept in the system's\n" +
    "keychain where there is one, else in a file that only you may read. An empty value takes a setting away.\n" +
    "A key given as a flag is seen in the list of processes and in the shell's history: `--api-key -` reads it from\n" +
    "stdin, and without the flag it is taken from the provider's variable, `LAMBDA_API_KEY`. With several `-`, stdin\n" +
    "has a line for each: key, status token, CI key.",
  effect: "write",
  takesNewProfile: true,
  examples: [
    { command: "gpu configure", says: "ask for everything" },
    { command: "gpu configure --provider lambda --api-key - < key.txt", says: "from a file, without questions" },
    {
      command: "gpu configure --profile work --provider lambda --api-key -",
      says: "a second profile with its own key",
    },
    { command: "gpu configure --import --dry-run", says: "what the files of older programs would give" },
  ],
  input: z.object({
    apiKey: z.string().optional().meta({
      placeholder: "key|-",
      description: "API key of the provider; `-` reads it from stdin",
    }),
    defaultRegion: z.string().optional().meta({ placeholder: "region", description: "region to prefer" }),
    defaultGpu: z.array(z.string()).optional().meta({
      aliases: ["default-type"],
      placeholder: "type",
      complete: "offer",
      description: "instance type, several in order of preference",
    }),
    defaultModel: z.string().optional().meta({
      placeholder: "model",
      complete: "model",
      description: "model that is served, as `gpu models list` names it",
    }),
    leaseHours: z.number().positive().optional().meta({
      placeholder: "hours",
      description: "lease of an instance, in hours",
    }),
    sshKeyPath: z.string().optional().meta({ placeholder: "path", complete: "file", description: "your SSH key" }),
    filesystemName: z.string().optional().meta({ placeholder: "name", description: "filesystem that is mounted" }),
    statusToken: z.string().optional().meta({
      placeholder: "token|-",
      description: "token of the status daemon; `-` reads it from stdin",
    }),
    statusPort: z.number().int().min(1).max(65535).optional().meta({
      placeholder: "port",
      description: "port of the status daemon",
    }),
    ciServer: z.string().optional().meta({ placeholder: "url", description: "address of the profile's CI server" }),
    ciKey: z.string().optional().meta({
      placeholder: "key|-",
      description: "key for the CI server; `-` reads it from stdin",
    }),
    import: z.boolean().default(false).describe(
      "take what ~/.config/gpu-dashboard, ~/.ci and ~/.dumont say, where nothing is configured yet",
    ),
    check: z.boolean().default(true).describe("ask the provider whether it takes the key"),
    dryRun: z.boolean().default(false).describe("show what would be written, and write nothing"),
  }),
  output: Configured,
  async run(input, context) {
    const { configure } = await import("../configure/configure.ts");
    const { readSecretFlags } = await import("../configure/given.ts");
    const [apiKey, statusToken, ciKey] = await readSecretFlags([
      { flag: "--api-key", value: input.apiKey },
      { flag: "--status-token", value: input.statusToken },
      { flag: "--ci-key", value: input.ciKey },
    ], context);
    return await configure(context, {
      given: {
        apiKey,
        region: input.defaultRegion,
        filesystem: input.filesystemName,
        sshKeyPath: input.sshKeyPath,
        model: input.defaultModel,
        types: input.defaultGpu?.filter((type) => type !== ""),
        hours: input.leaseHours,
        statusToken,
        statusPort: input.statusPort,
        ciServer: input.ciServer,
        ciKey,
      },
      isImport: input.import,
      isDryRun: input.dryRun,
      isChecked: input.check,
    });
  },
  view: (configured) => [
    {
      columns: ["setting", "value", "from"],
      rows: [
        ...configured.changes.map(({ key, value, from }) => [key, value === null ? "(none)" : valueText(value), from]),
        ...configured.secrets.map(({ name, place, from }) => [`secret ${name}`, placeText(place), from]),
      ],
      empty: "nothing changed",
    },
    ...sayings(configured).map((stderr) => ({ stderr })),
  ],
});

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function placeText(place: Configured["secrets"][number]["place"]): string {
  if (place === null) return "********";
  return place === "keychain" ? "in the system's keychain" : "in credentials.json";
}

function sayings(
  { path, profile, account, isWritten, kept, ignored, notes, ...drafted }: Configured,
): readonly string[] {
  const isChanged = drafted.changes.length + drafted.secrets.length > 0;
  return [
    ...(account === null ? [] : [`the key is accepted, account ${account}`]),
    ...(kept.length === 0 ? [] : [`configured already, and kept: ${kept.join(", ")}`]),
    ...ignored.map(({ from, key }) => `not used: \`${key}\` in ${from}`),
    ...notes,
    ...(isChanged ? [isWritten ? `profile \`${profile}\` is in ${path}` : "nothing was written"] : []),
  ];
}
