import { z } from "zod";
import { defineCommand } from "../command.ts";

export default defineCommand({
  name: "completion",
  summary: "Print the script that completes commands in a shell",
  description: "The script asks `gpu` at each Tab, so it never has to be made again.",
  effect: "read",
  examples: [
    { command: "source <(gpu completion bash)", says: "in ~/.bashrc" },
    { command: "gpu completion zsh > ~/.zfunc/_gpu", says: "where a folder of `fpath` is ~/.zfunc" },
    { command: "gpu completion fish > ~/.config/fish/completions/gpu.fish", says: "for fish" },
    { command: "gpu completion powershell >> $PROFILE", says: "for PowerShell" },
  ],
  input: z.object({
    shell: z.enum(["bash", "zsh", "fish", "powershell"]).meta({
      positional: true,
      description: "shell that loads the script",
    }),
  }),
  output: z.object({ shell: z.string().describe("shell it is for"), script: z.string().describe("the script's text") }),
  async run({ shell }) {
    const { completionScript } = await import("../surface/completion.ts");
    return { shell, script: await completionScript(shell) };
  },
  view: ({ script }) => new TextEncoder().encode(`${script}\n`),
});
