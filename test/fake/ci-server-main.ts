// Our own server in a process of its own, which a test may kill: `ci-server-main.ts <home> <key>`. Says where it listens.
import { join } from "node:path";
import process from "node:process";
import { startAgent } from "../../src/agent/agent.ts";
import { ciWorld } from "./ci-world.ts";

const [home = "", token = ""] = process.argv.slice(2);
const agent = await startAgent({ world: ciWorld({ home }), token, port: 0, dataFolder: join(home, "data") });
process.stdout.write(`${new URL(agent.address).port}\n`);
process.once("SIGTERM", () => void agent[Symbol.asyncDispose]().then(() => process.exit(0)));
