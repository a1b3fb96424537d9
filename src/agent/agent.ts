import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { jobEnvironment } from "../ci/job-environment.ts";
import { listen, type Listener } from "../ci/listen.ts";
import { bearerOf, ciHandler, isSameSecret } from "../ci/server.ts";
import { CiService } from "../ci/service.ts";
import { exitCodes, GpuError, messageOf, UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import { readStatus } from "./status.ts";

export interface AgentOptions {
  readonly world: World;
  /** A path may be relative to the current folder: an absolute one may be too long for a socket. */
  readonly socket?: string;
  /** On the loopback only; 0 takes any free one. */
  readonly port?: number;
  /** What a caller must present. */
  readonly token: string;
  readonly dataFolder: string;
}

/** The agent of a machine: CI server and status daemon on one listener. Disposing it stops its jobs. */
export async function startAgent({ world, socket, port, token, dataFolder }: AgentOptions): Promise<Listener> {
  const bootedMs = world.clock.now();
  const environment = jobEnvironment(world.env);
  const service = new CiService({ world, dataFolder, environment, bunFolder: await makeBunFolder(world, dataFolder) });
  const ci = ciHandler({ world, service, token });
  const handler = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname !== "/status" || request.method !== "GET") return await ci(request);
    if (!isSameSecret(bearerOf(request), token)) return Response.json({ error: "unauthorized" }, { status: 401 });
    return Response.json(await readStatus(world, { bootedMs, lastActivityMs: service.lastActivityMs }));
  };
  try {
    const listener = await listen(
      socket === undefined ? { hostname: "127.0.0.1", port: port ?? 0 } : { socket },
      { handler, clock: world.clock },
    );
    return {
      address: listener.address,
      async [Symbol.asyncDispose]() {
        // In this order who follows a job still hears how it ended.
        await service.stopJobs();
        await listener[Symbol.asyncDispose]();
        await service[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** Serves until the signal fires. */
export async function runAgent({ signal, ...options }: AgentOptions & { signal: AbortSignal }): Promise<void> {
  await using _agent = await startAgent(options);
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** `gpu agent --socket agent.sock`, as machines start it: the token comes in `GPU_AGENT_TOKEN`. Returns the exit code. */
export async function runAgentProcess(argv: readonly string[], world: World, signal: AbortSignal): Promise<number> {
  try {
    await runAgent({ world, signal, ...optionsOf(argv, world) });
    return exitCodes.done;
  } catch (error) {
    const hint = error instanceof GpuError && error.hint !== undefined ? `\n${error.hint}` : "";
    await world.terminal.stderr.write(`gpu agent: ${messageOf(error)}${hint}\n`);
    return error instanceof GpuError ? error.exitCode : exitCodes.bug;
  }
}

function optionsOf(argv: readonly string[], { env, home }: World) {
  const { values } = parsed(argv);
  const token = env.GPU_AGENT_TOKEN;
  if (!token) throw new UsageError("there is no token", { hint: "set `GPU_AGENT_TOKEN`" });
  if (values.port !== undefined && !/^\d{1,5}$/.test(values.port)) {
    throw new UsageError(`\`${values.port}\` is not a port`);
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  return { socket: values.socket, port, token, dataFolder: resolve(home, ".gpu-agent") };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: { socket: { type: "string" }, port: { type: "string" } } });
  } catch (error) {
    throw new UsageError(messageOf(error), {
      hint: "`gpu agent --socket <path>` or `gpu agent --port <port>`",
      cause: error,
    });
  }
}

/** A folder with a `bun` in it that is this executable, for projects on machines that have none. */
async function makeBunFolder(
  { self: [executable = "", ...script], platform, env }: World,
  dataFolder: string,
): Promise<string | undefined> {
  const isThere = Bun.which("bun", { PATH: env.PATH ?? "" }) !== null;
  if (isThere || platform === "win32") return undefined;
  const folder = join(dataFolder, "bin");
  if (folder.includes(delimiter)) return undefined;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const quoted = `'${executable.replaceAll("'", `'\\''`)}'`;
  const mode = script.length === 0 ? "BUN_BE_BUN=1 " : "";
  await writeFile(join(folder, "bun"), `#!/bin/sh\n${mode}exec ${quoted} "$@"\n`, { mode: 0o700 });
  return folder;
}
