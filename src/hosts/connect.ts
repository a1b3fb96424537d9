import type { Context } from "../command.ts";
import { connectInstance } from "../rent/connect.ts";
import type { Session } from "../ssh/session.ts";
import type { Target } from "./target.ts";

/** Logs in on a target, with its host key checked. What a person must answer is asked through the context. */
export async function connectTarget(context: Context, target: Target, signal = context.signal): Promise<Session> {
  if (target.kind === "instance") return await connectInstance(context.world, target.launch, signal);
  throw new Error("hosts are not reached yet");
}
