// What `main.ts` is to the local provider: starts a machine, or an agent that says what it was asked and by whom.
import process from "node:process";
import { outside } from "../../src/outside.ts";
import { runMachine } from "../../src/provider/local/machine.ts";

const [role, ...rest] = process.argv.slice(2);
if (role === ":machine") {
  process.exit(await runMachine(rest[0] ?? "", outside(process, { onClosedPipe() {} })));
}
if (role === "agent") {
  Bun.serve({
    unix: rest[1] ?? "",
    fetch: (request) => Response.json({ path: new URL(request.url).pathname, token: process.env.GPU_AGENT_TOKEN }),
  });
}
