// Loaded before the tests of recipes, in the process that `gpu recipe test` starts: makes "gpu" and `testRecipe` work there.
import process from "node:process";
import packageJson from "../package.json" with { type: "json" };
import { runApp } from "./app.ts";
import { commands } from "./commands.ts";
import { readVariable } from "./env.ts";
import { outside } from "./outside.ts";
import { provideModule } from "./recipe/provide.ts";
import { provideTestHost } from "./recipe/rehearse/test-host.ts";

// Who started it may be killed: its tests end with it, whatever they wait for.
const startedBy = process.ppid;
setInterval(() => {
  if (process.ppid !== startedBy) process.kill(process.pid, "SIGKILL");
}, 250).unref();

const self: unknown = JSON.parse(readVariable(process.env, "GPU_TEST_SELF") ?? "[]");
provideModule();
provideTestHost({
  // Machines are processes of the executable, not of the one that tests.
  world: { ...outside(process, { onClosedPipe() {} }), self: Array.isArray(self) ? self.map(String) : [] },
  version: packageJson.version,
  entries: commands,
  runApp,
});
