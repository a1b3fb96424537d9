import { createReadStream } from "node:fs";
import { z } from "zod";
import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { jsonOf } from "../http/json.ts";
import type { Session } from "../ssh/session.ts";
import { type AgentBinary, platformFrom } from "./agent-binary.ts";
import { agentRequest, nameOf, NoAgent } from "./agent-request.ts";
import { checkScript, type Packer, packers, unpackScript } from "./agent-scripts.ts";
import type { AgentSource } from "./agent-source.ts";
import { runScript } from "./remote-script.ts";
import type { Launch } from "./rows.ts";

/** Who listens where the agent is to be; of our own agent also what else matters. */
export type There =
  | { readonly who: "ours"; readonly canEnd: boolean | undefined; readonly jobsRunning: number }
  | { readonly who: "daemon" | "stranger" | "nobody" };

const Healthy = z.object({
  status: z.literal("healthy"),
  server: z.string().optional(),
  can_end: z.boolean().optional(),
  jobs_running: z.number().nullish(),
});

/** Asks who listens there. */
export async function whoAnswers(context: Context, launch: Launch, session: Session): Promise<There> {
  const { agent: { host, port } } = (await context.provider(launch.provider)).facts.services;
  const stream = await session.openStream(host, port).catch(() => undefined);
  if (stream === undefined) return { who: "nobody" };
  stream.destroy();
  try {
    const answer = await agentRequest(context, launch, "/status", { session, timeoutMs: 30_000 });
    const said = answer.status === 200 ? Healthy.safeParse(jsonOf(answer.text)).data : undefined;
    if (said === undefined) return { who: "stranger" };
    if (said.server !== "gpu") return { who: "daemon" };
    return { who: "ours", canEnd: said.can_end, jobsRunning: said.jobs_running ?? 0 };
  } catch (error) {
    context.signal.throwIfAborted();
    // One that dies at this moment still takes connections.
    const isDying = error instanceof NoAgent || (error instanceof HttpError && error.reason === "cut");
    return { who: isDying ? "nobody" : "stranger" };
  }
}

/** An instance as an agent finds it. */
export interface Surroundings {
  readonly platform: string | undefined;
  readonly packer: Packer;
  /** Agents of earlier times, by hash. */
  readonly present: readonly string[];
}

export async function lookAround(session: Session, signal: AbortSignal): Promise<Surroundings> {
  const said = await runScript(session, checkScript, { signal });
  const [folder = "", uname = "", libc = "", packer = "", ...names] = said.split("\n").map((line) => line.trim());
  if (!/^\/[\P{Cc}]*$/u.test(folder)) throw new GpuError("it does not say where its home is");
  const present = names.flatMap((name) => /^gpu-([0-9a-f]{64})$/.exec(name)?.[1] ?? []);
  return {
    platform: platformFrom(uname, libc === "musl"),
    packer: packers.find((known) => known === packer) ?? "gzip",
    present,
  };
}

interface Bringing {
  readonly session: Session;
  readonly source: AgentSource;
  readonly around: Surroundings;
}

/** Puts the executable for its platform on an instance, unless it is there. Returns its hash, or why there is none. */
export async function bringBinary(
  context: Context,
  launch: Launch,
  { session, source, around: { platform, packer, present } }: Bringing,
): Promise<{ readonly hash: string } | { readonly none: string }> {
  const { signal, progress } = context;
  if (platform === undefined) return { none: "there is no gpu for its platform" };
  const choice = await source.choose(platform);
  if ("none" in choice) return choice;
  const binary = await source.read(choice.path);
  if (present.includes(binary.hash)) return binary;
  const name = nameOf(launch);
  progress(`compressing the agent for ${name}`);
  const packed = await source.pack(binary, { platform, packer });
  const whole = Math.ceil(packed.bytes / 1e6);
  const onSent = (sent: number) => progress(`putting the agent on ${name}: ${Math.floor(sent / 1e6)} of ${whole} MB`);
  await send(session, { path: packed.path, onSent, script: unpackScript({ packer, ...binary }), signal });
  return binary;
}

interface Sending {
  readonly path: string;
  readonly script: string;
  readonly onSent: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** As the script's stdin: it is unpacked and summed while it arrives, without a question and an answer for each piece. */
async function send(session: Session, { path, script, onSent, signal }: Sending): Promise<void> {
  let sent = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
      yield piece;
      sent += piece.length;
      onSent(sent);
    }
  }
  await runScript(session, script, { stdin: pieces(), signal });
}

const pieceBytes = 256 * 1024;

/** Which of the agents that are there to start: this `gpu`'s own, else any. */
export async function pickPresent(
  source: AgentSource,
  { platform, present }: Surroundings,
): Promise<string | undefined> {
  const choice = platform === undefined ? undefined : await source.choose(platform);
  const own: AgentBinary | undefined = choice && "path" in choice ? await source.read(choice.path) : undefined;
  return present.find((hash) => hash === own?.hash) ?? present[0];
}
