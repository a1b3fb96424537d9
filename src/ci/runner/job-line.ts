import type { ChildProcess } from "node:child_process";
import { quote } from "../../quote.ts";
import type { World } from "../../world.ts";
import { type Family, forgetIfEmpty } from "./processes.ts";

export interface LineOptions {
  readonly world: Pick<World, "spawn" | "clock">;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Shell lines before it, which put its shell where the limits are. */
  readonly prefix: string;
  /** The words of a command that shuts it in. */
  readonly shutIn: readonly string[];
  readonly signal: AbortSignal;
  readonly family: Family;
  write(text: string): void;
}

/** How long output may still come from what outlives the line that started it. */
const drainMs = 250;

/** Runs one shell line in a process group of its own, and says how it ended. Rejects as soon as the signal fires. */
export async function runLine(
  line: string,
  { world, folder, env, prefix, shutIn, signal, family, write }: LineOptions,
): Promise<string> {
  signal.throwIfAborted();
  const script = `exec 2>&1\n${line}`;
  const inner = shutIn.length === 0 ? script : `exec 2>&1\nexec ${quote([...shutIn, "sh", "-c", script])}`;
  const child = world.spawn(["sh", "-c", prefix + inner], {
    cwd: folder,
    env,
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const stop = () => failed.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  child.on("error", failed.reject);
  const { pid } = child;
  if (pid !== undefined) {
    family.groups.add(pid);
    child.once("exit", () => forgetIfEmpty(family, pid));
  }
  const closed = Promise.all([child.stdout, child.stderr].map((stream) => collect(stream, write, failed.reject)));
  try {
    const end = await Promise.race([ended(child), failed.promise]);
    // What the line left in the background may keep the pipe open for ever.
    await Promise.race([closed, world.clock.sleep(drainMs), failed.promise]);
    return end;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
  });
}

/** Output as it comes; what is not UTF-8 is replaced, a character cut in two is put together. */
function collect(
  stream: ChildProcess["stdout"],
  write: (text: string) => void,
  onFailure: (error: unknown) => void,
): Promise<void> {
  if (stream === null) return Promise.resolve();
  const decoder = new TextDecoder();
  const writeSafely = (text: string) => {
    try {
      write(text);
    } catch (error) {
      onFailure(error); // A full disk ends the job, not the server.
    }
  };
  stream.on("data", (piece: Uint8Array) => writeSafely(decoder.decode(piece, { stream: true })));
  return new Promise((resolve) => {
    stream.on("error", () => resolve());
    stream.on("close", () => {
      const rest = decoder.decode();
      if (rest !== "") writeSafely(rest);
      resolve();
    });
  });
}
