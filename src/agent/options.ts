import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { readVariable } from "../env.ts";
import { messageOf, UsageError } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import type { World } from "../world.ts";
import type { AgentOptions } from "./agent.ts";
import { usualModelUrls } from "./models.ts";
import { sshAddressOf } from "./sessions.ts";
import type { End } from "./watch.ts";

/**
 * What an agent is told on its stdin by who installs it: one line of JSON. A secret stands nowhere else, neither in a
 * command line nor in a file.
 */
export const AgentOrders = z.object({
  token: z.string().min(16),
  instanceId: z.string(),
  /** On the loopback; `GPU_AGENT_SOCKET` wins. */
  port: z.number().int().min(1).max(65535),
  /** Milliseconds since 1970. */
  leaseEndsAt: z.number(),
  createdAt: z.number(),
  /** It was here before: the lease that is written down holds, since it may have been moved. */
  isAgain: z.boolean().default(false),
  warnMs: z.number().positive().optional(),
  idle: z.object({ afterMs: z.number().positive(), then: z.enum(["stop", "warn"]) }).optional(),
  /** How to end the instance, only when that was asked for: kept in memory alone. */
  provider: z.object({
    name: z.string(),
    /** What the provider reads its key and address from. */
    environment: z.record(z.string(), z.string()),
    /** Also when its lease is over; else only when it is idle or told to. */
    holdsLease: z.boolean(),
  }).optional(),
});
export type AgentOrders = z.output<typeof AgentOrders>;

/** Which instance to end, and how its provider is reached. */
export interface EndOrders {
  readonly provider: string;
  readonly instanceId: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Ends an instance through its provider; it is made where providers are known. */
export type EndThrough = (world: World, orders: EndOrders) => ReturnType<End>;

/**
 * `gpu agent --local --socket agent.sock` on a machine of the local provider, in the machine's folder and with the token
 * in `GPU_AGENT_TOKEN`; `gpu agent --orders` on any other, which reads its orders on stdin.
 */
export async function readAgentOptions(
  argv: readonly string[],
  world: World,
  endThrough: EndThrough,
): Promise<AgentOptions> {
  const { socket, port, local, orders } = parsed(argv);
  const common = { world, dataFolder: resolve(world.home, ".gpu-agent") };
  if (orders) return { ...common, ...ofOrders(await readOrders(world), { world, socket, endThrough }) };
  const token = readVariable(world.env, "GPU_AGENT_TOKEN");
  if (token === undefined) throw new UsageError("there is no token", { hint: "set `GPU_AGENT_TOKEN`" });
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new UsageError(`\`${port}\` is not a port`);
  const place = { socket, port: port === undefined ? undefined : Number(port), token };
  return { ...common, ...place, ...(local && ofLocalMachine(world)) };
}

/** The machine's folder is the current one: its lease is in `machine.json`, which the machine obeys by itself. */
function ofLocalMachine(world: World): Partial<AgentOptions> {
  return {
    instanceId: basename(world.cwd),
    lease: { path: join(world.cwd, "machine.json") },
    ssh: () => readSshAddress(world.cwd),
    end: "by-its-lease",
  };
}

const SshAddress = z.object({ host: z.string().optional(), port: z.number() });

/** Where the SSH server of a local machine listens, once it does. */
async function readSshAddress(folder: string): Promise<z.output<typeof SshAddress> | undefined> {
  const text = await readTextIfThere(join(folder, "status.json"));
  return text === undefined ? undefined : SshAddress.safeParse(JSON.parse(text)).data;
}

function ofOrders(
  orders: AgentOrders,
  { world, socket, endThrough }: { world: World; socket: string | undefined; endThrough: EndThrough },
): Omit<AgentOptions, "world" | "dataFolder"> {
  const { token, instanceId, port, leaseEndsAt, createdAt, isAgain, warnMs, idle, provider } = orders;
  const place = socket ?? readVariable(world.env, "GPU_AGENT_SOCKET");
  const end: End | undefined = provider &&
    (() => endThrough(world, { provider: provider.name, instanceId, environment: provider.environment }));
  return {
    token,
    instanceId,
    ...(place === undefined ? { port } : { socket: place }),
    lease: {
      path: join(resolve(world.home, ".gpu-agent"), "lease.json"),
      begin: isAgain ? undefined : { leaseEndsAt, createdAt },
    },
    warnMs,
    idle,
    end,
    holdsLease: provider?.holdsLease,
    // Where machines share one computer they are given a socket: ports and terminals there are not this machine's.
    ...(place === undefined
      ? { ssh: () => Promise.resolve(sshAddressOf(world.env)), tellsSessions: true, modelUrls: usualModelUrls }
      : { ssh: () => readSshAddress(dirname(resolve(world.cwd, place))) }),
  };
}

async function readOrders(world: World): Promise<AgentOrders> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of world.terminal.stdin.read()) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return AgentOrders.parse(JSON.parse(text));
  } catch {
    // What is wrong is not said in the parser's words: those may repeat a secret.
    throw new UsageError("what came on stdin are no orders for an agent");
  }
}

function parsed(argv: readonly string[]) {
  try {
    const options = {
      socket: { type: "string" },
      port: { type: "string" },
      local: { type: "boolean", default: false },
      orders: { type: "boolean", default: false },
    } as const;
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new UsageError(messageOf(error), {
      hint: "`gpu agent --socket <path>` or `gpu agent --port <port>`",
      cause: error,
    });
  }
}
