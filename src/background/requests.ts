import { GpuError, messageOf } from "../errors.ts";
import { type Answer, Request } from "./protocol.ts";
import { UnansweredError } from "./question.ts";
import type { Reaping } from "./reaping.ts";
import type { Tunnels } from "./tunnels.ts";

/** What a request may be about. */
interface Parts {
  /** Fires when who asked goes away. */
  readonly gone: AbortSignal;
  readonly tunnels: Tunnels;
  readonly reaping: Reaping;
  ping(): unknown;
  sessions(): unknown;
  quit(): void;
}

/** The answer to one line of a connection, whatever is in it. */
export async function answerRequest(line: unknown, parts: Parts): Promise<Answer> {
  const parsed = Request.safeParse(line);
  if (!parsed.success) {
    const id = typeof line === "object" && line !== null && "id" in line && typeof line.id === "number" ? line.id : 0;
    return { id, error: { message: "the background process does not understand the request", kind: "bug" } };
  }
  const { id } = parsed.data;
  try {
    return { id, result: await answer(parsed.data, parts) };
  } catch (error) {
    const { hint, kind } = error instanceof GpuError ? error : { hint: undefined, kind: "bug" as const };
    const question = error instanceof UnansweredError ? error.question : undefined;
    return { id, error: { message: messageOf(error), hint, kind, question } };
  }
}

async function answer(request: Request, { tunnels, reaping, gone, ping, sessions, quit }: Parts): Promise<unknown> {
  switch (request.method) {
    case "ping":
      return ping();
    case "quit":
      quit();
      return null;
    case "run.watch":
      return reaping.watch(request.parameters, gone);
    case "keys":
      return reaping.remember(request.parameters);
    case "reaper.status":
      return reaping.report();
    case "session.status":
      return sessions();
    case "tunnel.start":
      return await tunnels.start(request.parameters, gone);
    case "tunnel.status":
      return tunnels.status(request.parameters);
    case "tunnel.stop":
      return await tunnels.stop(request.parameters);
  }
}
