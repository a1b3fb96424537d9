import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { GpuError, systemCode, UsageError } from "../errors.ts";
import { reasonOf } from "../files.ts";
import { commandLine, quote } from "../quote.ts";
import type { World } from "../world.ts";
import { parseEnvironment, parseScript, type Request } from "./request.ts";

interface Given {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly script?: string;
  readonly shell?: string;
}

/** What the flags and words of a command line ask for. */
export async function requestOf(world: Pick<World, "cwd" | "env">, given: Given): Promise<Request> {
  const { command, env, cwd, script, shell } = given;
  const environment = parseEnvironment(env, world.env);
  if (script !== undefined) {
    const text = await readScript(resolve(world.cwd, script));
    return { line: quote(command), script: parseScript(text, { name: script, shell }), cwd, environment };
  }
  if (shell !== undefined) throw new UsageError("`--shell` is for a `--script`", { hint: "`-- sh -c '…'`" });
  if (command.length === 0) {
    throw new UsageError("there is nothing to run", { hint: "behind two dashes: `-- …`, or `--script FILE`" });
  }
  return { line: commandLine(command), cwd, environment };
}

async function readScript(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw new GpuError(`there is no script \`${path}\` here`, { cause: error });
    throw new GpuError(`cannot read the script \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}
