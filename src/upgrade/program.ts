import { childEnvironment } from "../env.ts";
import type { World } from "../world.ts";

/** What became of a program. */
export interface Ended {
  /** Undefined where it could not be started, or a signal ended it. */
  readonly exitCode: number | undefined;
  /** What it said on stdout, the first 64 KiB. */
  readonly stdout: string;
}

const maxBytes = 64 * 2 ** 10;

/** Runs a program that says little and asks nothing, for at most `timeoutMs`. Never rejects but when the signal fires. */
export async function runProgram(
  world: Pick<World, "spawn" | "clock" | "env" | "cwd">,
  command: readonly string[],
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<Ended> {
  signal.throwIfAborted();
  const child = world.spawn(command, {
    ...{ cwd: world.cwd, env: childEnvironment(world.env) },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "ignore" },
  });
  const over = new AbortController();
  const end = () => void child.kill("SIGKILL");
  world.clock.sleep(timeoutMs, over.signal).then(end, () => {});
  signal.addEventListener("abort", end, { once: true });
  let stdout = "";
  child.stdout?.on("data", (chunk: Uint8Array) => {
    if (stdout.length < maxBytes) stdout += new TextDecoder().decode(chunk);
  });
  const exitCode = await new Promise<number | undefined>((resolve) => {
    child.once("error", () => resolve(undefined));
    child.once("close", (code) => resolve(code ?? undefined));
  });
  over.abort();
  signal.removeEventListener("abort", end);
  signal.throwIfAborted();
  return { exitCode, stdout };
}
