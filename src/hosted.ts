// What the background process runs for others: a whole command line, or what a login needs to ask questions.
import packageJson from "../package.json" with { type: "json" };
import type { Hosted } from "./background/visits.ts";
import { exitCodes } from "./errors.ts";

/** The app, as the background process is handed it; loaded with the first command that is run for another process. */
export const hosted: Hosted = {
  async runCommand(argv, guest) {
    const { runApp } = await import("./app.ts");
    return await runApp(argv, { ...guest, version: packageJson.version });
  },
  async openContext(globals, guest) {
    const { openContext } = await import("./context.ts");
    const { providerRegistry } = await import("./provider/registry.ts");
    const { defaultGlobals } = await import("./surface/globals.ts");
    return openContext({
      ...guest,
      globals: { ...defaultGlobals, ...globals },
      entries: [],
      registry: providerRegistry,
      invoke: () => Promise.resolve(exitCodes.bug),
    });
  },
};
