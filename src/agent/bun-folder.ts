// Who provides machines knows the agent, not what the agent is made of.
export { bunScript, makeBunFolder } from "../ci/server/bun-folder.ts";
