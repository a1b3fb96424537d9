import type { Context } from "../command.ts";
import { connectInstance } from "../rent/connect.ts";
import type { Session } from "../ssh/session.ts";
import { personAt } from "./ask-person.ts";
import type { Reach } from "./reach.ts";
import type { Target } from "./target.ts";

/** What a command has learnt of keys and hosts, for all machines that it works on. */
const reaches = new WeakMap<Context["world"], Promise<Reach>>();

/** Logs in on a target, with its host key checked. What a person must answer is asked through the context. */
export async function connectTarget(
  context: Context,
  target: Target,
  signal = context.signal,
  /** The socket of an SSH agent that the machine may use. */
  { forwardAgent }: { forwardAgent?: string } = {},
): Promise<Session> {
  if (target.kind === "instance") {
    return await connectInstance(context.world, target.launch, signal, { forwardAgent });
  }
  return await (await reachOf(context)).connect(target.login, signal, { forwardAgent });
}

function reachOf(context: Context): Promise<Reach> {
  const { world } = context;
  const known = reaches.get(world) ?? openReach(context);
  reaches.set(world, known);
  return known;
}

async function openReach(context: Context): Promise<Reach> {
  const { Reach } = await import("./reach.ts");
  const { world, note } = context;
  return new Reach({ world, note, askPerson: personAt(context) });
}
