import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { exchange, type ExchangeAnswer, type ExchangeRequest } from "../http/exchange.ts";
import type { Session } from "../ssh/session.ts";
import { addressOf, connectAt } from "./connect.ts";
import { keyOfLaunch } from "./key.ts";
import type { Launch } from "./rows.ts";

export interface AgentRequestOptions {
  readonly method?: "GET" | "POST";
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form: all that a status daemon understands. */
  readonly form?: Readonly<Record<string, string>>;
  /** Of the exchange; 30 s when left out, since a status daemon that looks itself up in vain takes more than 20. */
  readonly timeoutMs?: number;
  /** Until the login is done, where there is no session yet. */
  readonly connectTimeoutMs?: number;
  /** A session that is open already. */
  readonly session?: Session;
  readonly signal?: AbortSignal;
  /** Which of the two to ask, where an earlier answer has told. */
  readonly ask?: AgentAnswer["asked"];
}

export interface AgentAnswer extends ExchangeAnswer {
  /** Whose token was accepted: our own agent's, or that of a status daemon which was there before. */
  readonly asked: "agent" | "daemon";
}

interface Door {
  readonly asked: AgentAnswer["asked"];
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** Nobody listens where the agent would be. */
export class NoAgent extends GpuError {
  override name = "NoAgent";
}

const defaultTimeoutMs = 30_000;

/**
 * Asks the agent of an instance, or the status daemon that is there instead, over SSH: no port of the instance need be
 * open. Any status is an answer but 401: that is an error, once neither token is accepted.
 */
export async function agentRequest(
  context: Context,
  launch: Launch,
  path: string,
  options: AgentRequestOptions = {},
): Promise<AgentAnswer> {
  const { world } = context;
  const signal = options.signal ?? context.signal;
  if (options.session) return await ask(context, launch, options.session, { path, options, signal });
  const { connectTimeoutMs: timeoutMs } = options;
  const address = addressOf(launch);
  const { privateKey } = await keyOfLaunch(world, launch);
  const hostKey = launch.hostPublicKey;
  await using session = await connectAt(world, { address, hostKey, privateKey, signal, timeoutMs });
  return await ask(context, launch, session, { path, options, signal });
}

interface Asking {
  readonly path: string;
  readonly options: AgentRequestOptions;
  readonly signal: AbortSignal;
}

async function ask(context: Context, launch: Launch, session: Session, asking: Asking): Promise<AgentAnswer> {
  const { path, options, signal } = asking;
  const service = `the agent on \`${nameOf(launch)}\``;
  let problem: unknown;
  for (const [asked, open] of [["agent", ourDoor], ["daemon", daemonDoor]] as const) {
    const door = asked === (options.ask ?? asked) ? await open(context, launch) : undefined;
    if (door === undefined) continue;
    try {
      const stream = await session.openStream(door.host, door.port);
      const { world } = context;
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
      const answer = await exchange(stream, requestFor(path, door.token, options), {
        world,
        service,
        timeoutMs,
        signal,
      });
      // A request that was not let in has done nothing, so it may be made again with the other token.
      if (answer.status !== 401) return { ...answer, asked: door.asked };
      problem = new GpuError(`${service} does not accept the token`, {
        hint: "a status daemon that was there before has a token of its own: `gpu configure` stores it",
      });
    } catch (error) {
      signal.throwIfAborted();
      // Only where nothing was sent may another be asked.
      if (!isClosedDoor(error)) throw error;
      problem ??= new NoAgent(`no agent answers on \`${nameOf(launch)}\``, { cause: error });
    }
  }
  throw problem ?? new GpuError(`the token of the agent on \`${nameOf(launch)}\` is not known here`, {
    hint: "`gpu status` shows which instances are this computer's",
  });
}

async function ourDoor(context: Context, launch: Launch): Promise<Door | undefined> {
  const token = (await context.journal()).agentToken(launch.token);
  const { services } = (await context.provider(launch.provider)).facts;
  return token === undefined ? undefined : { asked: "agent", ...services.agent, token };
}

async function daemonDoor(context: Context, launch: Launch): Promise<Door | undefined> {
  const { readSecret } = await import("../secrets.ts");
  const token = await readSecret(context.world, "statusDaemon");
  const { agent } = (await context.provider(launch.provider)).facts.services;
  const { port = agent.port } = (await context.config()).statusDaemon;
  return token === undefined ? undefined : { asked: "daemon", host: agent.host, port, token };
}

function requestFor(path: string, token: string, { method, json, form }: AgentRequestOptions): ExchangeRequest {
  const authorization = `Bearer ${token}`;
  if (json !== undefined) {
    const headers = { authorization, "content-type": "application/json" };
    return { method: method ?? "POST", path, headers, body: JSON.stringify(json) };
  }
  if (form !== undefined) {
    const headers = { authorization, "content-type": "application/x-www-form-urlencoded" };
    return { method: method ?? "POST", path, headers, body: new URLSearchParams(form).toString() };
  }
  return { method, path, headers: { authorization } };
}

function isClosedDoor(error: unknown): boolean {
  return error instanceof GpuError && "reason" in error && error.reason === "channel";
}

/** What a person calls the instance. */
export function nameOf(launch: Pick<Launch, "name" | "instanceId" | "token">): string {
  return launch.name ?? launch.instanceId ?? launch.token;
}
